"""All sessions of a bridge, by device; whichever wire a device comes by, and however often, it finds its own."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from cloud_bridge.ingest.acks import Acks
from cloud_bridge.ingest.base import GRACE_S, Device, Handler
from cloud_bridge.ingest.dedupe import Dedupe
from cloud_bridge.ingest.session import Connection, Session
from edge.wire import mien_pb2

if TYPE_CHECKING:
    from cloud_bridge.fleet.record import SharedRecord


class Sessions:
    """All device sessions of this bridge, shared by all its ingests, with the record of what was taken at `store`, or
    in `record`, which other bridges share.

    `counts` tells what was received, acked, refused, doubled, dropped … since the start.
    """

    def __init__(
        self,
        handler: Handler,
        store: Path | None = None,
        *,
        bridge: str = "mien",
        grace_s: float = GRACE_S,
        record: Dedupe | SharedRecord | None = None,
    ) -> None:
        self.handler = handler
        self.bridge = bridge
        self.grace_s = grace_s
        self.dedupe = record or Dedupe(store)
        self.counts: Counter[str] = Counter()
        self.acks = Acks()
        self._sessions: dict[tuple[str, str], Session] = {}

    async def open(self, hello: mien_pb2.Hello, tenant: str, connection: Connection) -> Session:
        """The session of an admitted device on a new connection; says Welcome and sends what the device missed."""
        device = Device(
            id=hello.device,
            boot=hello.boot,
            tenant=tenant,
            software=hello.software[:64],
            heard_turn=hello.heard_turn,
            keeps_opening=hello.keeps_opening,
        )
        while (session := self._sessions.get((tenant, device.id))) is not None:
            if not session.ended and session.device.boot == device.boot:
                break
            await session.end()
        if session is None:
            self.acks.expect()
            session = self._sessions[tenant, device.id] = Session(self, device)
            beginning = asyncio.ensure_future(session.begin())
        else:
            beginning = None
        try:
            if beginning is not None:  # what the application began it finishes, even if the connection ends meanwhile
                await asyncio.shield(beginning)
            await session.attach(hello, connection)
        except BaseException:
            session.cut(connection)
            raise
        self.counts["connected"] += 1
        return session

    def __len__(self) -> int:
        return len(self._sessions)

    async def close(self) -> None:
        """End all sessions and write the record out."""
        for session in list(self._sessions.values()):
            await session.end()
        await asyncio.to_thread(self.dedupe.close)

    def forget(self, session: Session) -> None:
        """Called by a session that ended."""
        key = (session.device.tenant, session.device.id)
        if self._sessions.get(key) is session:
            del self._sessions[key]
