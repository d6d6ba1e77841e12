"""What the bridge shows of its devices beside talking to them: MCP and the console, where the settings ask for them."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from cloud_bridge.conversation import Conversation
from cloud_bridge.errors import ModelAbsent
from cloud_bridge.history import History
from cloud_bridge.ingest.base import Device, Tls
from cloud_bridge.presence import NotThere, Presence
from cloud_bridge.seen import Moment
from cloud_bridge.settings import Settings
from cloud_bridge.web.clients import Clients


@dataclass(frozen=True, slots=True)
class Shown:
    """Where the surfaces are; None: not asked for. `token`: drawn for this run, because no client was set."""

    mcp: str | None = None
    mcp_grpc: str | None = None
    console: str | None = None
    token: str | None = None


@asynccontextmanager
async def show(
    settings: Settings,
    presence: Presence,
    conversation: Conversation,
    history: History | None,
    *,
    tls: Tls | None,
    names: Sequence[str],
) -> AsyncIterator[Shown]:
    """Serve what `settings` ask for. Raises BridgeError."""
    if not (settings.mcp or settings.mcp_grpc or settings.console):
        yield Shown()
        return
    try:
        import mcp  # noqa: F401
        import uvicorn  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModelAbsent(f"MCP and the console need '{error.name}': pip install 'mien[cloud]'") from error
    clients = Clients.read(settings.client_file)
    token = None if len(clients) else clients.draw()

    async def say(tenant: str, device: str, text: str) -> None:
        seen = presence.get(tenant, device)
        if seen.link is None:
            raise NotThere(f"'{device}' is not connected to this bridge now")
        await conversation.say(seen.device, text)

    async with AsyncExitStack() as stack:
        mcp_at = grpc_at = console_at = None
        if settings.mcp or settings.mcp_grpc:
            from cloud_bridge.mcp import offer

            mcp_at, grpc_at = await offer.offer(
                stack, presence, say, clients, http=settings.mcp, grpc=settings.mcp_grpc, tls=tls, names=names
            )
        if history is not None:
            presence.relays.append(functools.partial(_audit, history))
        if settings.console:
            from cloud_bridge.console.app import app
            from cloud_bridge.web.listen import listen

            page = await listen(app(presence, history, clients), settings.console, tls=tls, secure=True)
            stack.push_async_callback(page.stop)
            console_at = page.address
        yield Shown(mcp_at, grpc_at, console_at, token)


def _audit(history: History, moment: Moment, device: Device) -> None:
    """Who ordered what is kept, whichever surface it came by."""
    if moment.kind == "ordered" and not isinstance(moment.body, bytes):
        history.add_event(device.id, None, moment.at_s, "ordered", moment.body, tenant=device.tenant)
