"""Updates reach who reads them; who does not is left behind."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import anyio
import pytest
from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.shared.exceptions import MCPError

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
    """The part of the SDK's session that is used here; `reads` False: its client never reads; `gone`: it left."""

    def __init__(self, *, reads: bool, gone: bool = False) -> None:
        self._connection, self._reads, self._gone = Connection(), reads, gone
        self.asked = 0

    async def send_resource_updated(self, uri: str) -> None:
        self.asked += 1
        if self._gone:
            raise anyio.ClosedResourceError
        if not self._reads:
            await asyncio.Event().wait()


async def test_who_does_not_read_holds_the_others_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting for it at each moment would leave two moments a second to everybody, of every tenant; and one that left
    must not end what the others are told."""
    monkeypatch.setattr(module, "_SLOW_S", 0.02)
    presence = Presence(App())
    updates = Updates(presence)
    slow, gone, quick = Session(reads=False), Session(reads=True, gone=True), Session(reads=True)
    auth_context_var.set(AuthenticatedUser(access(Client(name="anna", tenant="acme"))))
    for session in (slow, gone, quick):
        updates.subscribe(session, ROOT)  # type: ignore[arg-type]
    updates.start()
    await asyncio.sleep(0)
    for kind in ("online", "offline", "online"):
        presence.note(CAR, kind, {})
    await soon(lambda: quick.asked == 3)
    assert slow.asked == gone.asked == 1
    for session in (slow, gone, quick):
        await session._connection.exit_stack.aclose()
    await updates.stop()


async def test_what_a_client_follows_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither many names, nor long ones, nor many clients fill the bridge; what is followed already stays."""
    monkeypatch.setattr(module, "MOST_WANTED", 3)
    monkeypatch.setattr(module, "MOST_OLDER", 2)
    updates = Updates(Presence(App()))
    sessions = [Session(reads=True) for _ in range(3)]
    auth_context_var.set(AuthenticatedUser(access(Client(name="anna", tenant="acme"))))

    def follow(session: Session, what: str) -> None:
        updates.subscribe(session, what)  # type: ignore[arg-type]

    for number in range(3):
        follow(sessions[0], f"{ROOT}/{number}/state")
    follow(sessions[0], f"{ROOT}/0/state")
    with pytest.raises(MCPError, match="at most 3"):
        follow(sessions[0], f"{ROOT}/3/state")
    updates.unsubscribe(sessions[0], f"{ROOT}/0/state")  # type: ignore[arg-type]
    follow(sessions[0], f"{ROOT}/3/state")
    with pytest.raises(MCPError, match="characters"):
        follow(sessions[1], ROOT + "x" * 1_000)
    follow(sessions[1], ROOT)
    with pytest.raises(MCPError, match="too many clients"):
        follow(sessions[2], ROOT)
    await sessions[1]._connection.exit_stack.aclose()
    follow(sessions[2], ROOT)


async def test_who_follows_nothing_any_more_takes_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that took back all it asked for leaves its place to another, and may come back itself."""
    monkeypatch.setattr(module, "MOST_OLDER", 1)
    updates = Updates(Presence(App()))
    first, second = Session(reads=True), Session(reads=True)
    auth_context_var.set(AuthenticatedUser(access(Client(name="anna", tenant="acme"))))
    for name in (ROOT, f"{ROOT}/a/state"):
        updates.subscribe(first, name)  # type: ignore[arg-type]
    updates.unsubscribe(first, ROOT)  # type: ignore[arg-type]
    with pytest.raises(MCPError, match="too many clients"):
        updates.subscribe(second, ROOT)  # type: ignore[arg-type]
    updates.unsubscribe(first, f"{ROOT}/a/state")  # type: ignore[arg-type]
    updates.subscribe(second, ROOT)  # type: ignore[arg-type]
    updates.unsubscribe(second, ROOT)  # type: ignore[arg-type]
    updates.subscribe(first, ROOT)  # type: ignore[arg-type]
