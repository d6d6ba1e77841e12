"""A bridge for tests: the real ingest on a thread of its own, with an application that remembers."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.link_faults import Loop
from cloud_bridge.ingest import grpc
from cloud_bridge.ingest.base import Device, Effect, Link, NotNow, Tls
from cloud_bridge.ingest.sessions import Sessions
from edge.wire import mien_pb2


class App:
    """An application that remembers what it was told, and may answer a turn. Each envelope leaves a durable effect."""

    def __init__(self) -> None:
        self.got: list[mien_pb2.Envelope] = []
        self.told: list[str] = []
        self.links: dict[str, Link] = {}
        self.fail = 0  # so many `received` raise
        self.put_off = 0  # so many `received` say "not now"
        self.answer: Callable[[Link, mien_pb2.Envelope], Awaitable[None]] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def seqs(self) -> list[int]:
        return [envelope.seq for envelope in self.got]

    async def connected(self, device: Device, link: Link) -> None:
        self.told.append(f"connected {device.id}")
        self.links[device.id] = link

    async def received(self, device: Device, envelope: mien_pb2.Envelope) -> Effect:
        if self.put_off:
            self.put_off -= 1
            raise NotNow("the store is away")
        if self.fail:
            self.fail -= 1
            raise RuntimeError("said: something private")
        self.got.append(envelope)
        if self.answer is not None and envelope.kind == mien_pb2.TURN_END:
            task = asyncio.ensure_future(self.answer(self.links[device.id], envelope))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        name = f"{envelope.boot}/{envelope.seq}"

        def effect(db: sqlite3.Connection) -> None:
            db.execute("CREATE TABLE IF NOT EXISTS effect (name TEXT)")
            db.execute("INSERT INTO effect VALUES (?)", (name,))

        return effect

    async def cancelled(self, device: Device, turn: int) -> None:
        self.told.append(f"cancelled {turn}")

    async def disconnected(self, device: Device) -> None:
        self.told.append(f"disconnected {device.id}")


class Wire:
    """A device's link without a device: it keeps what was sent."""

    def __init__(self) -> None:
        self.sent: list[mien_pb2.Reply] = []
        self.commands: list[mien_pb2.Command] = []

    def next_reply(self) -> int:
        return 1

    async def send(self, reply: mien_pb2.Reply) -> None:
        self.sent.append(reply)

    async def command(self, command: mien_pb2.Command) -> None:
        self.commands.append(command)


class Bridge:
    """A bridge with the gRPC ingest on a free port; `stop` and `start` again on the same port with the same store."""

    def __init__(
        self,
        store: Path | None = None,
        *,
        tls: Tls | None = None,
        tokens: Mapping[str, str] | None = None,
        grace_s: float = 5.0,
    ) -> None:
        self.app = App()
        self._store, self._tls, self._tokens, self._grace_s = store, tls, tokens, grace_s
        self._loop = Loop()
        self.port = 0
        self._running = False
        self.start()

    def start(self) -> None:
        self._loop.run(self._start())
        self._running = True

    def stop(self) -> None:
        if self._running:
            self._running = False
            self._loop.run(self._stop())

    def close(self) -> None:
        self.stop()
        self._loop.close()

    def run(self, work: Any) -> Any:
        """Run `work` on the bridge's loop."""
        return self._loop.run(work)

    def effects(self) -> list[str]:
        """The names of the envelopes whose effect is on disk, in order."""
        assert self._store is not None
        with sqlite3.connect(self._store) as db:
            return [name for (name,) in db.execute("SELECT name FROM effect ORDER BY rowid")]

    async def _start(self) -> None:
        self.sessions = Sessions(self.app, self._store, grace_s=self._grace_s)
        address = f"127.0.0.1:{self.port}"
        self._server = await grpc.serve(self.sessions, address, tls=self._tls, tokens=self._tokens)
        self.port = self._server.port

    async def _stop(self) -> None:
        await self._server.stop(0)
        await self.sessions.close()


def say(*texts: str, ttl_ms: int = 0) -> Callable[[Link, mien_pb2.Envelope], Awaitable[None]]:
    """An answer of these texts, one chunk each."""

    async def answer(link: Link, envelope: mien_pb2.Envelope) -> None:
        number = link.next_reply()
        for chunk, text in enumerate(texts):
            final = chunk == len(texts) - 1
            said = mien_pb2.Text(text=text)
            await link.send(
                mien_pb2.Reply(reply=number, turn=envelope.turn, chunk=chunk, final=final, ttl_ms=ttl_ms, text=said)
            )

    return answer
