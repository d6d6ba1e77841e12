"""Time: monotonic inside, UTC at the rim."""

from __future__ import annotations

import time

now_s = time.monotonic
"""Seconds on the monotonic clock; the `t_s` of everything inside the device."""


def utc_ms() -> int:
    """Milliseconds since 1970 by the wall clock; only for envelopes and files."""
    return time.time_ns() // 1_000_000


# A board without a battery clock boots in 1970 and jumps when the network answers; nothing of ours is older than this.
_FIRST_PLAUSIBLE_MS = 1_760_000_000_000


def clock_synced() -> bool:
    """Whether the wall clock can be believed (it is later than this software)."""
    return utc_ms() >= _FIRST_PLAUSIBLE_MS
