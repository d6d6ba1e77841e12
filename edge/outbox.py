"""The outbox: what waits to be sent, and what must not be lost.

`put` returns when the envelope is on disk: from then on neither a crash nor a power cut takes it, and it leaves only
by an acknowledgement of the bridge, by its own ttl, or with the person's consent. `offer` returns at once: the envelope
may be sent right away and is written only if the bridge has not taken it within `linger_s`, so that a good link costs
the flash nothing. Alerts go first; within a priority the order is kept. One thread writes, and commits everything that
has gathered.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple

from edge.errors import OutboxError, OutboxFull, WireError
from edge.outbox_file import Damaged, Record
from edge.outbox_shelf import ORDER, Item
from edge.outbox_writer import Writer
from edge.wire import mien_pb2
from edge.wire.limits import MAX_ENVELOPE

MAX_BYTES = 4 << 20
_OVERHEAD = 64  # bytes that a record costs beside its envelope
_ALERT_SHARE = 0.1  # of the room is kept for alerts


class Outgoing(NamedTuple):
    """An envelope to be sent now, and the one of its priority that it follows: (boot, seq), (0, 0) for none."""

    envelope: mien_pb2.Envelope
    after: tuple[int, int]


class Outbox(Writer):
    """An outbox in the file `path` of at most `max_bytes` of envelopes (the file itself stays below 2.5 times that).

    Raises OutboxError when the file cannot be used; a corrupt one is salvaged (`counts["salvaged"]`) and work goes on.
    `counts`: put, acked, refused, expired, evicted, forgotten, salvaged, damaged, unkept, commits, refused_by_bridge
    and, of those, alerts_refused.
    """

    def __init__(
        self,
        path: Path,
        max_bytes: int = MAX_BYTES,
        *,
        now_s: Callable[[], float] | None = None,
        host: int | None = None,
    ) -> None:
        super().__init__(path, max_bytes, now_s, _host() if host is None else host)
        self._max_bytes = max_bytes
        self._next_id = 1
        with self._changed:  # what has expired meanwhile is deleted, which tells the writer
            try:
                self._adopt(self._file.load())
            except Damaged:
                self._adopt(self._file.rescue())
        self._thread.start()

    # ------------------------------------------------------------ the device's side

    def put(self, envelope: mien_pb2.Envelope) -> int:
        """Keep `envelope`; it is on disk, and acknowledged, when this returns its seq. Sent only after that.

        Raises OutboxFull when there is no room for its priority, OutboxError when the file is unusable.
        """
        self._add(envelope, linger_s=0.0, durable=True).result()
        return envelope.seq

    def offer(self, envelope: mien_pb2.Envelope, linger_s: float = 1.0) -> Future[None]:
        """Have `envelope` sent as soon as possible. The future resolves once disk or bridge keeps it.

        Raises OutboxFull as `put` does. When the disk takes nothing the future raises, but the envelope stays in
        memory to be sent (`counts["unkept"]`): a live conversation goes on.
        """
        return self._add(envelope, linger_s=linger_s, durable=False)

    def on_item(self, callback: Callable[[], None]) -> None:
        """Call `callback` (quick, from any thread) whenever there is something new to send."""
        self._on_item = callback

    def __len__(self) -> int:
        return len(self._shelf.items)

    def forget(self) -> None:
        """Send nothing of what waits, and erase it from the disk now; counted as `forgotten`."""
        with self._changed:
            found = list(self._shelf.items.values())
            for item in found:
                item.erase = True
                self._remove(item)
            self.counts["forgotten"] += len(found)
            if self._deletes:
                self._delete_due_s = self._now_s()
                self._changed.notify()

    # ------------------------------------------------------------ the uplink's side

    def take(self, count: int, lowest: int = mien_pb2.LOW) -> list[Outgoing]:
        """The next envelopes to send, alerts first, at most `count`; they are in flight until `done` or `rewind`.

        `lowest` NORMAL leaves LOW ones where they are, ALERT takes alerts only.
        """
        with self._changed:
            self._expire()
            # With their bodies: what the writer puts on disk meanwhile it may let go of in memory.
            taken = [(item, item.body, after) for item, after in self._shelf.take(count, lowest)]
        outgoing = []
        bodies = self._bodies([item.id for item, held, _ in taken if held is None])
        for item, held, after in taken:
            body = held if held is not None else bodies.get(item.id)
            if body is not None:
                outgoing.append(Outgoing(mien_pb2.Envelope.FromString(body), after))
            elif not self._damaged:
                with self._changed:
                    if self._shelf.items.get(item.key) is item:  # else it was forgotten meanwhile
                        self._remove(item)
                        self.counts["damaged"] += 1
        if self._damaged:
            self.rewind()
            return []
        return outgoing

    def rewind(self) -> None:
        """Everything in flight waits again, in its order: the connection is gone."""
        with self._changed:
            self._shelf.rewind()

    def done(self, boot: int, seqs: Iterable[int], *, why: str = "acked") -> None:
        """The bridge has these, or will never take them (`why`: the count to add to)."""
        with self._changed:
            for seq in seqs:
                if (item := self._shelf.items.get((boot, seq))) is not None:
                    self._remove(item)
                    self.counts[why] += 1
                    if why != "acked" and item.priority == mien_pb2.ALERT:
                        self.counts["alerts_refused"] += 1

    @property
    def in_flight(self) -> int:
        """Envelopes taken and not done."""
        return self._shelf.in_flight

    # ------------------------------------------------------------ inside; `_changed` is held

    def _add(self, envelope: mien_pb2.Envelope, *, linger_s: float, durable: bool) -> Future[None]:
        body = envelope.SerializeToString()
        if len(body) > MAX_ENVELOPE or not envelope.seq or not envelope.boot:
            raise WireError(f"not a sealed envelope of at most {MAX_ENVELOPE} bytes: make it with edge.wire.Sealer")
        now_s = self._now_s()
        with self._changed:
            if self._broken or self._closing:
                raise OutboxError(self._broken or "the outbox is closed")
            self._make_room(len(body) + _OVERHEAD, envelope.priority)
            item = self._item(self._next_id, envelope, body, round(now_s * 1_000), now_s + linger_s, durable=durable)
            self._next_id += 1
            self._shelf.enter(item)
            self._unwritten[item.id] = item
            self.counts["put"] += 1
            if now_s + linger_s < self._due_s:
                self._due_s = now_s + linger_s
                self._changed.notify()
        if not durable:
            self._on_item()
        return item.kept

    def _item(
        self, id_: int, envelope: mien_pb2.Envelope, body: bytes, at_ms: int, due_s: float | None, *, durable: bool
    ) -> Item:
        return Item(
            id=id_,
            key=(envelope.boot, envelope.seq),
            priority=envelope.priority if envelope.priority in ORDER else mien_pb2.NORMAL,
            size=len(body) + _OVERHEAD,
            at_ms=at_ms,
            expires_ms=at_ms + envelope.ttl_ms if envelope.ttl_ms else None,
            body=body,
            due_s=due_s,
            durable=durable,
        )

    def _make_room(self, size: int, priority: int) -> None:
        room = self._max_bytes if priority == mien_pb2.ALERT else int(self._max_bytes * (1 - _ALERT_SHARE))
        if self._shelf.used + size <= room:
            return
        self._expire()
        while priority != mien_pb2.LOW and self._shelf.used + size > room:
            if (item := self._shelf.evictable()) is None:
                break
            if not item.kept.done():
                item.kept.set_exception(OutboxFull("the outbox is full: evicted for something of higher priority"))
            self._remove(item)
            self.counts["evicted"] += 1
        if self._shelf.used + size > room:
            self.counts["refused"] += 1
            raise OutboxFull(
                f"the outbox is full ({self._shelf.used} of {self._max_bytes} bytes wait): the bridge has not taken "
                "anything for long; look at the link, or give the outbox more room"
            )

    def _expire(self) -> None:
        for item in self._shelf.expired(self._now_s() * 1_000):
            self._remove(item)
            self.counts["expired"] += 1

    def _adopt(self, records: Iterable[Record]) -> None:
        """Take over what an earlier process left."""
        now_ms = round(self._now_s() * 1_000)
        for record in records:
            self._next_id = max(self._next_id, record.id + 1)
            envelope = mien_pb2.Envelope.FromString(record.envelope)
            # Across a restart of the machine the monotonic clock tells nothing, and UTC cannot be believed: the
            # time that the machine was off does not count.
            at_ms = record.at_ms if record.host == self._host else now_ms
            item = self._item(record.id, envelope, record.envelope, at_ms, None, durable=True)
            item.stored = True
            item.kept.set_result(None)
            self._shelf.enter(item)
            self._shelf.cool(item)
        self.counts["salvaged"] += self._file.salvaged
        self.counts["damaged"] += self._file.damaged
        self._expire()

    def _bodies(self, ids: list[int]) -> dict[int, bytes]:
        if not ids:
            return {}
        try:
            return self._file.read(ids)
        except Damaged:
            with self._changed:
                self._damaged = True
                self._changed.notify()
            return {}


def _host() -> int:
    """A number of this start of the machine, never 0; where the system does not tell, of this process."""
    try:
        text = Path("/proc/sys/kernel/random/boot_id").read_bytes()
    except OSError:
        text = str(time.time_ns()).encode()
    return zlib.crc32(text) or 1
