"""The outbox: what waits to be sent, and what must not be lost.

`put` returns when the envelope is on disk: from then on neither a crash nor a power cut takes it, and it leaves only
by an acknowledgement of the bridge or by its own ttl. `offer` returns at once: the envelope may be sent right away and
is written only if the bridge has not taken it within `linger_s`, so that a good link costs the flash nothing.
Alerts go first; within a priority the order is kept. One thread writes, and commits everything that has gathered.
"""

from __future__ import annotations

import logging
import math
import threading
import time
import zlib
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from edge.errors import OutboxError, OutboxFull, WireError
from edge.outbox_file import Damaged, OutboxFile, Record
from edge.wire import mien_pb2
from edge.wire.limits import MAX_ENVELOPE

log = logging.getLogger(__name__)

MAX_BYTES = 4 << 20
_OVERHEAD = 64  # bytes that a record costs beside its envelope
_ALERT_SHARE = 0.1  # of the room is kept for alerts
_HOT_BYTES = 256 << 10  # envelopes that are on disk and also held in memory
_DELETE_AFTER_S = 5.0  # acknowledged records may stay on disk so long, to share a commit with others
_ORDER = (mien_pb2.ALERT, mien_pb2.NORMAL, mien_pb2.LOW)


class Outgoing(NamedTuple):
    """An envelope to be sent now, and the one of its priority that it follows: (boot, seq), (0, 0) for none."""

    envelope: mien_pb2.Envelope
    after: tuple[int, int]


@dataclass(slots=True, eq=False)
class _Item:
    id: int
    key: tuple[int, int]  # boot, seq
    priority: int
    size: int
    at_ms: int
    expires_ms: int | None
    body: bytes | None
    due_s: float | None  # when it must be written; None: written, or given up
    durable: bool  # must be on disk before it is sent
    stored: bool = False
    kept: Future[None] = field(default_factory=Future)


class Outbox:
    """An outbox in the file `path` of at most `max_bytes` of envelopes (the file itself stays below 2.5 times that).

    Raises OutboxError when the file cannot be used; a corrupt one is salvaged (`counts["salvaged"]`) and work goes on.
    `counts`: put, acked, refused, expired, evicted, salvaged, damaged, unkept, commits.
    """

    def __init__(
        self,
        path: Path,
        max_bytes: int = MAX_BYTES,
        *,
        now_s: Callable[[], float] | None = None,
        host: int | None = None,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._now_s = now_s or _boot_time_s
        self._host = _host() if host is None else host
        self._max_bytes = max_bytes
        self._used = 0
        self._hot = 0
        self._next_id = 1
        self._items: dict[tuple[int, int], _Item] = {}
        self._waiting: dict[int, OrderedDict[int, _Item]] = {p: OrderedDict() for p in _ORDER}
        self._flying: dict[int, OrderedDict[int, _Item]] = {p: OrderedDict() for p in _ORDER}
        self._unwritten: OrderedDict[int, _Item] = OrderedDict()
        self._deletes: list[int] = []
        self._due_s = math.inf  # when the next write is due, or earlier
        self._delete_due_s = math.inf
        self._next_expiry_ms = math.inf
        self._changed = threading.Condition()
        self._on_item: Callable[[], None] = lambda: None
        self._closing = False
        self._damaged = False
        self._broken: str | None = None
        self._file = OutboxFile(path, max_bytes)
        try:
            self._adopt(self._file.load())
        except Damaged:
            self._adopt(self._file.rescue())
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)
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
        return len(self._items)

    def close(self) -> None:
        """Write what is not written yet, and close. Idempotent."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()
        self._file.close()

    # ------------------------------------------------------------ the uplink's side

    def take(self, count: int, lowest: int = mien_pb2.LOW) -> list[Outgoing]:
        """The next envelopes to send, alerts first, at most `count`; they are in flight until `done` or `rewind`.

        `lowest` NORMAL leaves LOW ones where they are, ALERT takes alerts only.
        """
        taken: list[tuple[_Item, tuple[int, int]]] = []
        with self._changed:
            self._expire()
            for priority in _ORDER[: _ORDER.index(lowest) + 1]:
                waiting, flying = self._waiting[priority], self._flying[priority]
                while waiting and len(taken) < count:
                    item = next(iter(waiting.values()))
                    if item.durable and not item.stored:
                        break  # those behind it wait, too: order is kept
                    after = next(reversed(flying.values())).key if flying else (0, 0)
                    flying[item.id] = waiting.pop(item.id)
                    taken.append((item, after))
        outgoing = []
        bodies = self._bodies([item.id for item, _ in taken if item.body is None])
        for item, after in taken:
            body = item.body if item.body is not None else bodies.get(item.id)
            if body is not None:
                outgoing.append(Outgoing(mien_pb2.Envelope.FromString(body), after))
            elif not self._damaged:
                with self._changed:
                    self._remove(item)
                    self.counts["damaged"] += 1
        if self._damaged:
            self.rewind()
            return []
        return outgoing

    def rewind(self) -> None:
        """Everything in flight waits again, in its order: the connection is gone."""
        with self._changed:
            for priority in _ORDER:
                flying = self._flying[priority]
                for id_ in reversed(flying):
                    self._waiting[priority][id_] = flying[id_]
                    self._waiting[priority].move_to_end(id_, last=False)
                flying.clear()

    def done(self, boot: int, seqs: Iterable[int], *, why: str = "acked") -> None:
        """The bridge has these, or will never take them (`why`: the count to add to)."""
        with self._changed:
            for seq in seqs:
                if (item := self._items.get((boot, seq))) is not None:
                    self._remove(item)
                    self.counts[why] += 1

    @property
    def in_flight(self) -> int:
        """Envelopes taken and not done."""
        return sum(len(flying) for flying in self._flying.values())

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
            self._enter(item)
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
    ) -> _Item:
        return _Item(
            id=id_,
            key=(envelope.boot, envelope.seq),
            priority=envelope.priority if envelope.priority in _ORDER else mien_pb2.NORMAL,
            size=len(body) + _OVERHEAD,
            at_ms=at_ms,
            expires_ms=at_ms + envelope.ttl_ms if envelope.ttl_ms else None,
            body=body,
            due_s=due_s,
            durable=durable,
        )

    def _enter(self, item: _Item) -> None:
        self._items[item.key] = item
        self._waiting[item.priority][item.id] = item
        self._used += item.size
        self._hot += item.size
        if item.expires_ms is not None:
            self._next_expiry_ms = min(self._next_expiry_ms, item.expires_ms)

    def _make_room(self, size: int, priority: int) -> None:
        room = self._max_bytes if priority == mien_pb2.ALERT else int(self._max_bytes * (1 - _ALERT_SHARE))
        if self._used + size <= room:
            return
        self._expire()
        low = self._waiting[mien_pb2.LOW]
        while priority != mien_pb2.LOW and low and self._used + size > room:
            item = next(iter(low.values()))
            if not item.kept.done():
                item.kept.set_exception(OutboxFull("the outbox is full: evicted for something of higher priority"))
            self._remove(item)
            self.counts["evicted"] += 1
        if self._used + size > room:
            self.counts["refused"] += 1
            raise OutboxFull(
                f"the outbox is full ({self._used} of {self._max_bytes} bytes wait): the bridge has not taken anything "
                "for long; look at the link, or give the outbox more room"
            )

    def _expire(self) -> None:
        now_ms = self._now_s() * 1_000
        if now_ms < self._next_expiry_ms:
            return
        for item in [i for i in self._items.values() if i.expires_ms is not None and i.expires_ms <= now_ms]:
            self._remove(item)
            self.counts["expired"] += 1
        left = (item.expires_ms for item in self._items.values() if item.expires_ms is not None)
        self._next_expiry_ms = min(left, default=math.inf)

    def _remove(self, item: _Item) -> None:
        if self._items.pop(item.key, None) is None:
            return
        self._waiting[item.priority].pop(item.id, None)
        self._flying[item.priority].pop(item.id, None)
        self._used -= item.size
        self._hot -= item.size if item.body is not None else 0
        if item.stored:
            self._delete(item.id)
        elif self._unwritten.pop(item.id, None) is not None and not item.kept.done():
            item.kept.set_result(None)

    def _delete(self, id_: int) -> None:
        if not self._deletes:
            self._delete_due_s = self._now_s() + _DELETE_AFTER_S
            self._changed.notify()
        self._deletes.append(id_)

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
            self._enter(item)
            self._cool(item)
        self.counts["salvaged"] += self._file.salvaged
        self.counts["damaged"] += self._file.damaged
        self._expire()

    def _cool(self, item: _Item) -> None:
        """Hold a stored envelope in memory only while there are few."""
        if self._hot > _HOT_BYTES and item.stored and item.body is not None:
            item.body = None
            self._hot -= item.size

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

    # ------------------------------------------------------------ the writer's thread

    def _run(self) -> None:
        try:
            while self._write():
                pass
        except Exception as error:
            log.exception("the outbox's writer ended")
            with self._changed:
                self._broken = f"the outbox's writer ended ({type(error).__name__}: {error}): restart, and report this"
                for item in self._unwritten.values():
                    if not item.kept.done():
                        item.kept.set_exception(OutboxError(self._broken))

    def _write(self) -> bool:
        """Wait until something is due and write it; False when all is written and the outbox closes."""
        with self._changed:
            while not (self._closing or self._damaged):
                now_s = self._now_s()
                if self._due_s <= now_s:
                    dues = (item.due_s for item in self._unwritten.values() if item.due_s is not None)
                    self._due_s = min(dues, default=math.inf)
                if min(self._due_s, self._delete_due_s) <= now_s:
                    break
                wait_s = min(self._due_s, self._delete_due_s) - now_s
                self._changed.wait(None if math.isinf(wait_s) else wait_s)
            closing = self._closing
            batch = [item for item in self._unwritten.values() if item.due_s is not None]
            deletes, self._deletes = self._deletes, []
            self._due_s = self._delete_due_s = math.inf
        try:
            if self._damaged:
                self._rescue()
            if batch or deletes:
                self._file.commit([Record(i.id, i.at_ms, self._host, i.body or b"") for i in batch], deletes)
                self.counts["commits"] += 1
        except Damaged:
            self._damaged = not closing
            self._undo_deletes(deletes)
        except OutboxError as error:
            self._undo_deletes(deletes)
            self._refuse(batch, error)
            if self._damaged and not closing:  # not even a new file can be made now
                time.sleep(1.0)
        else:
            self._settle(batch)
        return not closing

    def _settle(self, batch: list[_Item]) -> None:
        """`batch` is on disk."""
        with self._changed:
            for item in batch:
                item.stored, item.due_s = True, None
                self._unwritten.pop(item.id, None)
                if self._items.get(item.key) is item:
                    self._cool(item)
                else:  # acknowledged while it was written
                    self._delete(item.id)
                if not item.kept.done():
                    item.kept.set_result(None)
        if any(item.durable for item in batch):
            self._on_item()

    def _refuse(self, batch: list[_Item], error: OutboxError) -> None:
        """The disk took nothing: what was only offered goes on in memory."""
        log.warning("%s", error)
        with self._changed:
            for item in batch:
                item.due_s = None
                if not item.kept.done():
                    item.kept.set_exception(error)
                if item.durable:
                    self._remove(item)
                    self.counts["refused"] += 1
                elif self._unwritten.pop(item.id, None) is not None:
                    self.counts["unkept"] += 1

    def _undo_deletes(self, deletes: list[int]) -> None:
        with self._changed:
            self._deletes = deletes + self._deletes
            if self._deletes:
                self._delete_due_s = self._now_s() + _DELETE_AFTER_S

    def _rescue(self) -> None:
        """The file is damaged: make a new one of what it still holds and of what is in memory."""
        found = {record.id for record in self._file.rescue()}
        with self._changed:
            self._damaged = False
            self.counts["salvaged"] += len(found)
            for item in list(self._items.values()):
                if not item.stored or item.id in found:
                    found.discard(item.id)
                elif item.body is not None:
                    item.stored, item.due_s, self._due_s = False, self._now_s(), -math.inf
                    self._unwritten[item.id] = item
                else:
                    self._remove(item)
                    self.counts["damaged"] += 1
            for id_ in found:  # acknowledged long ago
                self._delete(id_)
        self._on_item()


def _boot_time_s() -> float:
    """Monotonic seconds that go on while the machine sleeps, where the system has such a clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def _host() -> int:
    """A number of this start of the machine, never 0; where the system does not tell, of this process."""
    try:
        text = Path("/proc/sys/kernel/random/boot_id").read_bytes()
    except OSError:
        text = str(time.time_ns()).encode()
    return zlib.crc32(text) or 1
