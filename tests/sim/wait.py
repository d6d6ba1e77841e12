"""Waiting for what another thread, task or process brings about without telling: bounded, and never in silence."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

_LOOK_S = 0.005


def until(holds: Callable[[], object], within_s: float = 20.0) -> None:
    """Wait until `holds()`; a test in which it does not come to pass fails."""
    end_s = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end_s, f"it did not come to pass within {within_s:g} s"
        time.sleep(_LOOK_S)


async def soon(holds: Callable[[], object], within_s: float = 20.0) -> None:
    """As `until`, while the event loop goes on."""
    end_s = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end_s, f"it did not come to pass within {within_s:g} s"
        await asyncio.sleep(_LOOK_S)
