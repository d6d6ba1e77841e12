"""How long to wait before the next try, so that a thousand devices do not come back in the same second."""

from __future__ import annotations

import random
from collections.abc import Callable


class Backoff:
    """Full jitter from the first retry (Brooker, "Exponential Backoff And Jitter", 2015): a wait drawn evenly between
    0 and a ceiling that doubles from `first_s` to `longest_s` with every failure.

    A success counts only once it has lasted `stable_s`: a link that comes and goes does not start from the bottom.
    """

    def __init__(
        self,
        first_s: float = 0.5,
        longest_s: float = 60.0,
        stable_s: float = 30.0,
        *,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._stable_s = stable_s
        self._uniform = uniform
        self.failures = 0

    def next_s(self, lasted_s: float = 0.0) -> float:
        """Seconds to wait after a try that failed, or after a success that lasted `lasted_s`."""
        if lasted_s >= self._stable_s:
            self.failures = 0
        ceiling = min(self._longest_s, self._first_s * 2.0 ** min(self.failures, 32))
        self.failures += 1
        return self._uniform(0.0, ceiling)
