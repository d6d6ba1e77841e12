"""How many bytes an hour the link may cost."""

from __future__ import annotations

import time
from collections.abc import Callable


class Budget:
    """A token bucket that holds ten minutes' worth of `bytes_per_hour`."""

    def __init__(self, bytes_per_hour: int | None, now_s: Callable[[], float] = time.monotonic) -> None:
        self._per_s = (bytes_per_hour or 0) / 3_600
        self._now_s = now_s
        self._tokens = self._per_s * 600
        self._at_s = now_s()

    def spend(self, size: int) -> None:
        """Count `size` bytes."""
        now_s = self._now_s()
        self._tokens = min(self._tokens + (now_s - self._at_s) * self._per_s, self._per_s * 600) - size
        self._at_s = now_s

    def left(self) -> bool:
        """Whether there is some left; always, without a budget."""
        self.spend(0)
        return not self._per_s or self._tokens > 0
