"""Where threads meet: a slot that keeps only the latest item, and a bounded queue. Both count what they drop."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

from edge.clock import now_s

T = TypeVar("T")


class _Bell:
    """Rung once or many times, it wakes one waiter; a Condition does more, and takes several times as long.

    The lock is held while nothing has rung. `ring` is called under the slot's own lock, so that no two threads let go.
    """

    def __init__(self) -> None:
        self._silent = threading.Lock()
        self._silent.acquire()

    def ring(self) -> None:
        """Wake a waiter, or the next one to come."""
        if self._silent.locked():
            self._silent.release()

    def wait(self, end_s: float | None) -> bool:
        """Whether it rang before `end_s` (monotonic; None: for ever)."""
        if end_s is None:
            return self._silent.acquire()
        return self._silent.acquire(timeout=max(0.0, end_s - now_s()))


class Slot(Generic[T]):
    """Bounded hand-over between threads.

    `put` never waits: when `capacity` items lie unread, the oldest is dropped and counted in `dropped`, or the oldest
    `together`: of sound, one hole is better than many. `take` waits for an item. With capacity 1 it is the latest-wins
    slot of a camera. Who takes may `rest`: until then what is put is not wanted, wakes nobody and is counted in
    `skipped`.
    """

    def __init__(self, capacity: int = 1, *, together: int = 1) -> None:
        self._items: deque[T] = deque()
        self._capacity, self._together = capacity, together
        self._lock = threading.Lock()
        self._ready, self._room = _Bell(), _Bell()
        self._closed = False
        self._rest_until_s = float("-inf")
        self.dropped = self.skipped = 0

    def put(self, item: T) -> None:
        """Leave `item`; after `close` it is ignored."""
        with self._lock:
            if self._closed:
                return
            if now_s() < self._rest_until_s:
                self.skipped += 1
                return
            if len(self._items) >= self._capacity:
                for _ in range(self._together):
                    self._items.popleft()
                self.dropped += self._together
            self._items.append(item)
            self._ready.ring()

    def put_wait(self, item: T, timeout_s: float | None = None) -> bool:
        """Leave `item` when there is room; False when none came in time or the slot was closed. Nothing is dropped."""
        end_s = None if timeout_s is None else now_s() + timeout_s
        while True:
            with self._lock:
                if self._closed:
                    self._room.ring()
                    return False
                if len(self._items) < self._capacity:
                    self._items.append(item)
                    self._ring_on()
                    return True
            if not self._room.wait(end_s):
                return False

    def take(self, timeout_s: float | None = None) -> T | None:
        """The oldest item, or None when none came in time or the slot is closed and empty."""
        end_s = None if timeout_s is None else now_s() + timeout_s
        while True:
            with self._lock:
                if self._items:
                    item = self._items.popleft()
                    self._ring_on()
                    return item
                if self._closed:
                    self._ready.ring()
                    return None
            if not self._ready.wait(end_s):
                return None

    def rest(self, until_s: float) -> None:
        """Want nothing before `until_s` (monotonic): what lies here and what is `put` till then is skipped."""
        with self._lock:
            self._rest_until_s = until_s
            self.skipped += len(self._items)
            self._items.clear()
            self._room.ring()

    @property
    def rests_until_s(self) -> float:
        """Before when nothing is wanted; in the past where everything is."""
        return self._rest_until_s

    def close(self) -> None:
        """Wake every waiter; what lies in the slot can still be taken."""
        with self._lock:
            self._closed = True
            self._ready.ring()
            self._room.ring()

    def _ring_on(self) -> None:
        """A bell wakes one waiter, who wakes the next one if there is something for them, too."""
        if self._items:
            self._ready.ring()
        if len(self._items) < self._capacity:
            self._room.ring()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def __len__(self) -> int:
        return len(self._items)
