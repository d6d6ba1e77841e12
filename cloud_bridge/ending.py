"""Ending tasks for sure."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

_AGAIN_S = 2.0


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel `tasks` until all are done; what they raise is dropped.

    One `cancel` may be lost: `asyncio.wait_for` of Python 3.11, which redis-py sends by, gives the result instead
    where that comes at the same moment, and whoever serves in a loop goes on for ever.
    """
    ending = list(tasks)
    waiting = set(ending)
    while waiting:
        for task in waiting:
            task.cancel()
        _, waiting = await asyncio.wait(waiting, timeout=_AGAIN_S)
    await asyncio.gather(*ending, return_exceptions=True)
