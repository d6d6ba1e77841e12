"""Where threads meet: a slot that keeps only the latest item, and a bounded queue. Both count what they drop."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

from edge.clock import now_s

T = TypeVar("T")


class Slot(Generic[T]):
    """Bounded hand-over between threads.

    `put` never waits: when `capacity` items lie unread, the oldest is dropped and counted in `dropped`. `take` waits
    for an item. With capacity 1 it is the latest-wins slot of a camera. Who takes may `rest`: until then what is put is
    not wanted, wakes nobody and is counted in `skipped`.
    """

    def __init__(self, capacity: int = 1) -> None:
        self._items: deque[T] = deque()
        self._capacity = capacity
        self._ready = threading.Condition()
        self._closed = False
        self._rest_until_s = float("-inf")
        self.dropped = self.skipped = 0

    def put(self, item: T) -> None:
        """Leave `item`; after `close` it is ignored."""
        with self._ready:
            if self._closed:
                return
            if now_s() < self._rest_until_s:
                self.skipped += 1
                return
            if len(self._items) >= self._capacity:
                self._items.popleft()
                self.dropped += 1
            self._items.append(item)
            self._ready.notify()

    def put_wait(self, item: T, timeout_s: float | None = None) -> bool:
        """Leave `item` when there is room; False when none came in time or the slot was closed. Nothing is dropped."""
        with self._ready:
            if not self._ready.wait_for(lambda: self._closed or len(self._items) < self._capacity, timeout_s):
                return False
            if self._closed:
                return False
            self._items.append(item)
            self._ready.notify_all()
            return True

    def take(self, timeout_s: float | None = None) -> T | None:
        """The oldest item, or None when none came in time or the slot is closed and empty."""
        with self._ready:
            self._ready.wait_for(lambda: self._items or self._closed, timeout_s)
            if not self._items:
                return None
            item = self._items.popleft()
            self._ready.notify_all()
            return item

    def rest(self, until_s: float) -> None:
        """Want nothing before `until_s` (monotonic): what lies here and what is `put` till then is skipped."""
        with self._ready:
            self._rest_until_s = until_s
            self.skipped += len(self._items)
            self._items.clear()

    def close(self) -> None:
        """Wake every waiter; what lies in the slot can still be taken."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def __len__(self) -> int:
        return len(self._items)
