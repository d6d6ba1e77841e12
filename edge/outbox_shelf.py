"""What waits in the outbox, in memory: three queues by priority, what of them is in flight, and how much room it takes.

Knows no thread, no file and no clock: the outbox holds its lock around every call.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass, field

from edge.wire import mien_pb2

ORDER = (mien_pb2.ALERT, mien_pb2.NORMAL, mien_pb2.LOW)
_HOT_BYTES = 256 << 10  # envelopes that are on disk and also held in memory


@dataclass(slots=True, eq=False)
class Item:
    """One envelope that waits."""

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
    erase: bool = False  # forgotten: from the disk at once
    kept: Future[None] = field(default_factory=Future)


class Shelf:
    """The items. `used`: bytes that they take."""

    def __init__(self) -> None:
        self.items: dict[tuple[int, int], Item] = {}
        self.used = 0
        self._hot = 0
        self._waiting: dict[int, OrderedDict[int, Item]] = {p: OrderedDict() for p in ORDER}
        self._flying: dict[int, OrderedDict[int, Item]] = {p: OrderedDict() for p in ORDER}
        self._next_expiry_ms = math.inf

    @property
    def in_flight(self) -> int:
        """Items taken and not removed."""
        return sum(len(flying) for flying in self._flying.values())

    def enter(self, item: Item) -> None:
        """Put one more behind those of its priority."""
        self.items[item.key] = item
        self._waiting[item.priority][item.id] = item
        self.used += item.size
        self._hot += item.size
        if item.expires_ms is not None:
            self._next_expiry_ms = min(self._next_expiry_ms, item.expires_ms)

    def remove(self, item: Item) -> bool:
        """Take it away; False where it was gone already."""
        if self.items.pop(item.key, None) is None:
            return False
        self._waiting[item.priority].pop(item.id, None)
        self._flying[item.priority].pop(item.id, None)
        self.used -= item.size
        self._hot -= item.size if item.body is not None else 0
        return True

    def cool(self, item: Item) -> None:
        """Hold a stored envelope in memory only while there are few."""
        if self._hot > _HOT_BYTES and item.stored and item.body is not None:
            item.body = None
            self._hot -= item.size

    def take(self, count: int, lowest: int) -> list[tuple[Item, tuple[int, int]]]:
        """The next `count` items down to priority `lowest`, in flight from now on, each with the key of the one that it
        follows there."""
        taken: list[tuple[Item, tuple[int, int]]] = []
        for priority in ORDER[: ORDER.index(lowest) + 1]:
            waiting, flying = self._waiting[priority], self._flying[priority]
            while waiting and len(taken) < count:
                item = next(iter(waiting.values()))
                if item.durable and not item.stored:
                    break  # those behind it wait, too: order is kept
                after = next(reversed(flying.values())).key if flying else (0, 0)
                flying[item.id] = waiting.pop(item.id)
                taken.append((item, after))
        return taken

    def rewind(self) -> None:
        """Everything in flight waits again, in its order."""
        for priority in ORDER:
            flying = self._flying[priority]
            for id_ in reversed(flying):
                self._waiting[priority][id_] = flying[id_]
                self._waiting[priority].move_to_end(id_, last=False)
            flying.clear()

    def evictable(self) -> Item | None:
        """The oldest LOW item that is not in flight."""
        return next(iter(self._waiting[mien_pb2.LOW].values()), None)

    def expired(self, now_ms: float) -> list[Item]:
        """Items whose time is over; to be removed now."""
        if now_ms < self._next_expiry_ms:
            return []
        over = [i for i in self.items.values() if i.expires_ms is not None and i.expires_ms <= now_ms]
        left = (i.expires_ms for i in self.items.values() if i.expires_ms is not None and i.expires_ms > now_ms)
        self._next_expiry_ms = min(left, default=math.inf)
        return over
