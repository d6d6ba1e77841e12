"""A thread that commits what gathers, a group at a time: what both records of taken envelopes have in common."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

GROUP_S = 0.02  # commits begin at least so long apart: a busy bridge's envelopes share them, a lone one does not wait
_RETRY_S = 1.0

Item = TypeVar("Item")


class Writer(Generic[Item]):
    """Hands groups to `commit`, and calls each item's `done` on the writer's thread, in order, once that returned.

    When `commit` raises an `outage`, nothing is done, `failed` says why, and the same group is tried again each second.
    Where it raises anything else the items are tried one by one, and the bad ones dropped: they are never done.
    """

    def __init__(self, name: str, commit: Callable[[list[Item]], None], *, outage: tuple[type[Exception], ...]) -> None:
        self.failed: str | None = None
        self.lost = 0
        self._commit, self._outage = commit, outage
        self._waiting: list[tuple[Item, Callable[[], None]]] = []
        self._writing: list[tuple[Item, Callable[[], None]]] = []
        self._wake = threading.Condition()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, item: Item, done: Callable[[], None]) -> None:
        """Have `item` written."""
        with self._wake:
            self._waiting.append((item, done))
            if len(self._waiting) == 1:
                self._wake.notify()

    def open(self) -> list[Item]:
        """What was put and may not be written yet."""
        with self._wake:
            return [item for item, _ in (*self._writing, *self._waiting)]

    def close(self) -> None:
        """Write what is waiting, if it can be written, and end. Idempotent."""
        self._closing.set()
        with self._wake:
            self._wake.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._waiting or self._closing.is_set())
                self._writing, self._waiting = self._waiting, []
            if not self._writing:
                return
            began_s = time.monotonic()
            while not self._try():
                if self._closing.wait(_RETRY_S):
                    return
            for _, done in self._writing:
                done()
            with self._wake:
                self._writing = []
            self._closing.wait(max(0.0, GROUP_S - (time.monotonic() - began_s)))

    def _try(self) -> bool:
        try:
            try:
                self._commit([item for item, _ in self._writing])
            except self._outage:
                raise
            except Exception:
                self._writing = [pair for pair in self._writing if self._alone(pair[0])]
        except self._outage as error:
            if self.failed is None:
                log.error("envelopes are not recorded, so not acknowledged: %s; retrying every second", error)
            self.failed = str(error) or type(error).__name__
            return False
        self.failed = None
        return True

    def _alone(self, item: Item) -> bool:
        try:
            self._commit([item])
        except self._outage:
            raise
        except Exception as error:
            self.lost += 1
            log.error("an envelope cannot be recorded, and is left out: %s", type(error).__name__)
            return False
        return True
