"""MCP over streamable HTTP: bearer tokens, checked origins, bounded bodies."""

from __future__ import annotations

from collections.abc import Sequence

from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.middleware.bearer_auth import BearerAuthBackend, RequireAuthMiddleware
from mcp.server.auth.provider import AccessToken
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from cloud_bridge.web.clients import Client, Clients

PATH = "/mcp"
_MOST_BODY = 256 << 10  # bytes of a request
_LOCAL = ("127.0.0.1", "localhost", "[::1]")


class Verifier:
    """The SDK's `TokenVerifier` over our clients. The tenant travels as the token's subject."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    async def verify_token(self, token: str) -> AccessToken | None:
        """Who it is, or None."""
        client = self._clients.of(token)
        return None if client is None else access(client)


def access(client: Client) -> AccessToken:
    """What a request of `client` may do, as the SDK carries it. The token itself goes no further."""
    scopes: list[str] = ["read", "control"] if client.can("control") else list(client.may)
    return AccessToken(token="", client_id=client.name, scopes=scopes, subject=client.tenant)


def app(server: MCPServer, clients: Clients, names: Sequence[str] = ()) -> Starlette:
    """The ASGI application. `names`: host names, beside this machine's own, that clients reach it by; a web page of
    another origin is refused."""
    hosts = [f"{name}{port}" for name in (*_LOCAL, *names) for port in ("", ":*")]
    origins = [f"{scheme}://{host}" for scheme in ("http", "https") for host in hosts]
    inner = server.streamable_http_app(
        streamable_http_path=PATH,
        max_request_body_size=_MOST_BODY,
        transport_security=TransportSecuritySettings(allowed_hosts=hosts, allowed_origins=origins),
    )

    guards = [
        Middleware(AuthenticationMiddleware, backend=BearerAuthBackend(Verifier(clients))),
        Middleware(AuthContextMiddleware),
        Middleware(_Required),
    ]
    return Starlette(routes=inner.routes, middleware=guards, lifespan=inner.router.lifespan_context)


class _Required:
    """Lets in only who has a token; the application's own start and end pass."""

    def __init__(self, app: ASGIApp) -> None:
        self._app, self._guarded = app, RequireAuthMiddleware(app, ["read"])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self._guarded if scope["type"] == "http" else self._app)(scope, receive, send)
