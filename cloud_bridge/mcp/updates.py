"""From moments to MCP resource updates: each client hears of its own tenant's devices, and of no other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.connection import Connection
from mcp.server.session import ServerSession
from mcp.server.subscriptions import ResourcesListChanged, ResourceUpdated, ServerEvent
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS

from cloud_bridge.ending import end
from cloud_bridge.presence import Presence
from cloud_bridge.seen import Moment

log = logging.getLogger(__name__)

_SLOW_S = 0.5
MOST_WANTED = 1_024  # resources that one client of the older protocol follows
_MOST_URI = 512  # characters
MOST_OLDER = 256  # clients of the older protocol, of one tenant, that followed anything and are still here
ROOT = "mien://devices"
PARTS = ("state", "events", "conversation", "health")
_PART_OF = {
    "state": ("state",),
    "event": ("events", "state"),
    "turn_end": ("conversation", "state"),
    "reply": ("conversation",),
    "answered": ("conversation",),
    "health": ("health",),
    "online": ("state",),
    "offline": ("state",),
}


def uri(device: str, part: str) -> str:
    """The resource of one part of what is known of `device`."""
    return f"{ROOT}/{device}/{part}"


def tenant() -> str:
    """Whose token this request came with. There is none without: the server lets nobody in who has no token."""
    token = get_access_token()
    assert token is not None
    return str(token.subject)


class Bus:
    """An MCP subscription bus that parts tenants: implements the SDK's `SubscriptionBus`."""

    def __init__(self) -> None:
        self._listeners: dict[object, tuple[str, Callable[[ServerEvent], None]]] = {}

    async def publish(self, event: ServerEvent) -> None:
        """To the tenant of the request that is being served."""
        self.tell(tenant(), event)

    def tell(self, of: str, event: ServerEvent) -> None:
        """To all who listen for tenant `of`."""
        for whose, listener in list(self._listeners.values()):
            if whose == of:
                listener(event)

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Callable[[], None]:
        """Called by the SDK within the request that asks for it."""
        token = object()
        self._listeners[token] = (tenant(), listener)
        return lambda: self._listeners.pop(token, None) and None

    def __len__(self) -> int:
        return len(self._listeners)


class Updates:
    """Follows `presence`, and tells MCP clients of both protocol generations which resources changed."""

    def __init__(self, presence: Presence) -> None:
        self.bus = Bus()
        self._presence = presence
        self._older: dict[Connection, tuple[str, ServerSession, set[str]]] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to follow."""
        self._task = asyncio.create_task(self._run(), name="mcp updates")

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            await end([self._task])

    def subscribe(self, session: ServerSession, what: str) -> None:
        """`resources/subscribe` of the protocol before 2026-07-28. Raises MCPError beyond what is held for it."""
        connection = session._connection  # a session object lives for one request; its connection has no public name
        if len(what) > _MOST_URI:
            raise MCPError(INVALID_PARAMS, f"a resource's name has at most {_MOST_URI} characters")
        if connection not in self._older:
            of = tenant()
            if sum(whose == of for whose, *_ in self._older.values()) >= MOST_OLDER:
                raise MCPError(INVALID_PARAMS, "too many clients follow resources here: end a session")
            self._older[connection] = (of, session, set())
            connection.exit_stack.callback(self._older.pop, connection, None)
        wanted = self._older[connection][2]
        if len(wanted) >= MOST_WANTED and what not in wanted:
            raise MCPError(INVALID_PARAMS, f"a client follows at most {MOST_WANTED} resources: unsubscribe some")
        wanted.add(what)

    def unsubscribe(self, session: ServerSession, what: str) -> None:
        """Its opposite; nothing happens where there was none."""
        connection = session._connection
        if (found := self._older.get(connection)) is not None:
            found[2].discard(what)
            if not found[2]:  # who follows nothing takes no place of its tenant's
                del self._older[connection]

    async def _run(self) -> None:
        with self._presence.follow(None) as following:
            async for moment in following:
                await self._tell(moment)

    async def _tell(self, moment: Moment) -> None:
        if moment.kind in ("online", "offline"):
            self.bus.tell(moment.tenant, ResourcesListChanged())
            self.bus.tell(moment.tenant, ResourceUpdated(uri=ROOT))
            await self._send(moment.tenant, ROOT)
        for part in _PART_OF.get(moment.kind, ()):
            changed = uri(moment.device, part)
            self.bus.tell(moment.tenant, ResourceUpdated(uri=changed))
            await self._send(moment.tenant, changed)

    async def _send(self, of: str, changed: str) -> None:
        for connection, (whose, session, wanted) in list(self._older.items()):
            if whose == of and changed in wanted:
                try:
                    async with asyncio.timeout(_SLOW_S):
                        await session.send_resource_updated(changed)
                except Exception as error:  # one that is gone, or does not read: the others are held up once
                    self._older.pop(connection, None)
                    log.info("an MCP client is told no more: %s", type(error).__name__)
