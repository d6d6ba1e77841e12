"""The console's HTTP interface: the page, JSON to read, one stream of what happens, and orders to devices.

Everything but the page itself needs a bearer token, and shows the token's tenant alone.
"""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloud_bridge.console import stream
from cloud_bridge.console.rows import row
from cloud_bridge.errors import BridgeError
from cloud_bridge.history import History
from cloud_bridge.presence import NotThere, Presence
from cloud_bridge.web.clients import Client, Clients, Right
from edge.wire import mien_pb2
from edge.wire.check import nests

PAGE = Path(__file__).parent / "page"
AUDIT = ("link", "ordered", "event", "handover", "erased")
_MOST_ROWS = 5_000
_MOST_BODY = 4_096  # bytes of a request
_MOST_STREAMS = 256  # of one tenant, open at once
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}

_Handler = Callable[["Console", Request, Client], Awaitable[Response]]


def _known(right: Right) -> Callable[[_Handler], Callable[[Console, Request], Awaitable[Response]]]:
    """Lets in only clients that have `right`, and turns the bridge's errors into answers."""

    def decorate(handler: _Handler) -> Callable[[Console, Request], Awaitable[Response]]:
        @functools.wraps(handler)
        async def guarded(self: Console, request: Request) -> Response:
            client = self._clients.of_header(request.headers.get("authorization"))
            if client is None:
                return _refused(401, "give a token")
            if not client.can(right):
                return _refused(403, "this client may only read")
            try:
                return await handler(self, request, client)
            except NotThere as error:
                return _refused(404, str(error))
            except BridgeError as error:
                return _refused(409, str(error))

        return guarded

    return decorate


class Console:
    """The handlers. `history` None: nothing is kept, so there is no replay."""

    def __init__(self, presence: Presence, history: History | None, clients: Clients) -> None:
        self._presence, self._history, self._clients = presence, history, clients

    @_known("read")
    async def me(self, request: Request, client: Client) -> Response:
        """Who the token belongs to, and what it may."""
        kept = self._history is not None
        return JSONResponse(
            {"name": client.name, "tenant": client.tenant, "control": client.can("control"), "history": kept}
        )

    @_known("read")
    async def devices(self, request: Request, client: Client) -> Response:
        """All devices, a row each."""
        return JSONResponse([row(seen) for seen in self._presence.devices(client.tenant)])

    @_known("read")
    async def device(self, request: Request, client: Client) -> Response:
        """One device: what is known now, and its last moments."""
        seen = self._presence.get(client.tenant, request.path_params["device"])
        return JSONResponse({**seen.full(), "recent": [moment.facts() for moment in seen.recent]})

    @_known("read")
    async def history(self, request: Request, client: Client) -> Response:
        """What is kept of one device: `since` and `until` in UTC seconds."""
        return await self._kept(request, client, ())

    @_known("read")
    async def audit(self, request: Request, client: Client) -> Response:
        """Who came, who ordered what, which rules fired."""
        return await self._kept(request, client, AUDIT)

    @_known("read")
    async def events(self, request: Request, client: Client) -> Response:
        """Server-sent events: `fleet` (rows that changed, once a second), `moment` (of the device asked for)."""
        if self._presence.followers(client.tenant) >= _MOST_STREAMS:
            return _refused(429, "too many pages of this tenant are open: close some")
        device = request.query_params.get("device")
        body = stream.events(self._presence, client.tenant, device, request.is_disconnected)
        return StreamingResponse(body, media_type="text/event-stream")

    @_known("control")
    async def mute(self, request: Request, client: Client) -> Response:
        """Close or open camera and microphone: {"mute": true}."""
        wanted = (await _body(request)).get("mute")
        if not isinstance(wanted, bool):
            return _refused(400, 'give {"mute": true} or {"mute": false}')
        device = request.path_params["device"]
        command = mien_pb2.Command(mute=wanted)
        done = await self._presence.order(client.tenant, device, command, by=client.name)
        return JSONResponse({"done": done.done, "reason": done.reason})

    async def _kept(self, request: Request, client: Client, kinds: tuple[str, ...]) -> Response:
        if self._history is None:
            return _refused(404, "this bridge keeps no history")
        try:
            since_s = float(request.query_params.get("since", 0))
            until_s = float(request.query_params.get("until", "inf"))
        except ValueError:
            return _refused(400, "since and until are UTC seconds")
        device = request.path_params["device"]
        read = functools.partial(self._history.timeline, device, since_s, until_s, kinds=kinds)
        return JSONResponse(await asyncio.to_thread(read, limit=_MOST_ROWS, tenant=client.tenant))


def app(presence: Presence, history: History | None, clients: Clients) -> Starlette:
    """The ASGI application."""
    console = Console(presence, history, clients)
    one = "/api/devices/{device}"
    routes = [
        Route("/", _page),
        Route("/page/{file}", _page),
        Route("/api/me", console.me),
        Route("/api/events", console.events),
        Route("/api/devices", console.devices),
        Route(one, console.device),
        Route(f"{one}/history", console.history),
        Route(f"{one}/audit", console.audit),
        Route(f"{one}/mute", console.mute, methods=["POST"]),
    ]
    return Starlette(routes=routes, middleware=[Middleware(_Strict)])


async def _page(request: Request) -> Response:
    """A file of the page; only what lies there, by its name alone."""
    name = request.path_params.get("file", "index.html")
    file = PAGE / name
    if len(name) > 64 or file.parent != PAGE or file.suffix not in _TYPES or not file.is_file():
        return _refused(404, "no such page")
    return FileResponse(file, media_type=_TYPES[file.suffix])


async def _body(request: Request) -> dict[str, Any]:
    """The request's JSON object; empty where it is none. The size is bounded."""
    read = b""
    async for part in request.stream():
        read += part
        if len(read) > _MOST_BODY:
            return {}
    try:
        found = json.loads(b"" if nests(read) else read)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _refused(status: int, why: str) -> JSONResponse:
    return JSONResponse({"error": why}, status)


class _Strict:
    """Puts the security headers on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def strict(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *((k.encode(), v.encode()) for k, v in _HEADERS.items())]
            await send(message)

        await self._app(scope, receive, strict)
