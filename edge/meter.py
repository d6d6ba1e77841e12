"""Latencies and counts of one run, in bounded memory."""

from __future__ import annotations

from collections import deque

_KEPT = 8192


class Latency:
    """The newest measurements of one stage, in milliseconds."""

    def __init__(self) -> None:
        self._values: deque[float] = deque(maxlen=_KEPT)
        self._recent: deque[float] = deque(maxlen=64)

    def add(self, seconds: float) -> None:
        """One measurement, in seconds."""
        self._values.append(seconds * 1000)
        self._recent.append(seconds)

    def quantile(self, share: float) -> float | None:
        """The `share` quantile (0–1) in milliseconds, or None before the first measurement."""
        if not self._values:
            return None
        ordered = sorted(self._values)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)]

    def take_recent_s(self) -> float:
        """The largest measurement since the last call, in seconds; 0 where there was none."""
        largest = max(self._recent, default=0.0)
        self._recent.clear()
        return largest
