"""Updates reach who reads them; who does not is left behind."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser

from cloud_bridge.mcp import updates as module
from cloud_bridge.mcp.http import access
from cloud_bridge.mcp.updates import ROOT, Updates
from cloud_bridge.presence import Presence
from cloud_bridge.web.clients import Client
from tests.cloud_bridge.mcp.place import CAR
from tests.sim.bridge import App
from tests.sim.wait import soon


class Connection:
    def __init__(self) -> None:
        self.exit_stack = AsyncExitStack()


class Session:
    """The part of the SDK's session that is used here; `reads` False: its client never reads."""

    def __init__(self, *, reads: bool) -> None:
        self._connection, self._reads = Connection(), reads
        self.asked = 0

    async def send_resource_updated(self, uri: str) -> None:
        self.asked += 1
        if not self._reads:
            await asyncio.Event().wait()


async def test_who_does_not_read_holds_the_others_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting for it at each moment would leave two moments a second to everybody, of every tenant."""
    monkeypatch.setattr(module, "_SLOW_S", 0.02)
    presence = Presence(App())
    updates = Updates(presence)
    slow, quick = Session(reads=False), Session(reads=True)
    auth_context_var.set(AuthenticatedUser(access(Client(name="anna", tenant="acme"))))
    for session in (slow, quick):
        updates.subscribe(session, ROOT)  # type: ignore[arg-type]
    updates.start()
    await asyncio.sleep(0)
    for kind in ("online", "offline", "online"):
        presence.note(CAR, kind, {})
    await soon(lambda: quick.asked == 3)
    assert slow.asked == 1
    for session in (slow, quick):
        await session._connection.exit_stack.aclose()
    await updates.stop()
