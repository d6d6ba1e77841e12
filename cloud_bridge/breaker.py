"""A circuit breaker: what failed several times running is left alone for a while, so that nobody waits for it."""

from __future__ import annotations

import time


class Breaker:
    """Opens after `limit` failures in a row, for `rest_s`; then one try decides."""

    def __init__(self, limit: int = 3, rest_s: float = 10.0) -> None:
        self._limit = limit
        self._rest_s = rest_s
        self._failures = 0
        self._until_s = 0.0

    def closed(self) -> bool:
        """Whether to try. After the rest, True once until `good` or `bad` is told."""
        if self._failures < self._limit:
            return True
        now_s = time.monotonic()
        if now_s < self._until_s:
            return False
        self._until_s = now_s + self._rest_s
        return True

    def good(self) -> None:
        """It worked."""
        self._failures = 0

    def bad(self) -> None:
        """It failed."""
        self._failures += 1
        self._until_s = time.monotonic() + self._rest_s
