"""The times of a live stream, which has a clock of its own, on our monotonic clock."""

from __future__ import annotations

# The sender's clock may run slower than ours: its zero creeps by this per item, until a quick one pulls it back.
_DRIFT_S = 0.0001
# A step of more than this is no delay: the sender's clock was set, or the stream began anew.
_CLOCK_SET_S = 2.0


class LiveClock:
    """Turns stream times into ours: the shortest way that any item took from its time stamp to here is the zero."""

    def __init__(self) -> None:
        self._zero_s: float | None = None  # our time of the stream's time 0

    def at(self, stream_s: float, arrived_s: float) -> float:
        """Our time of the stream's time `stream_s`, of which an item arrived at `arrived_s` of ours."""
        zero_s = arrived_s - stream_s
        if self._zero_s is None or zero_s > self._zero_s + _CLOCK_SET_S:
            self._zero_s = zero_s
        self._zero_s = min(zero_s, self._zero_s + _DRIFT_S)
        return self._zero_s + stream_s
