"""Acknowledgements: what the record's thread has put on disk, told to the device a commit at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

_AT_ONCE = 256  # numbers in one acknowledgement


class Acks:
    """Gathers what is on disk, and calls `send` (boot, sequence numbers) with it on the loop that made this."""

    def __init__(self, send: Callable[[int, list[int]], Awaitable[None]]) -> None:
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._kept: deque[tuple[int, int]] = deque()
        self._waking = False
        self._task: asyncio.Task[None] | None = None

    def kept(self, boot: int, seq: int) -> None:
        """This envelope is on disk. From any thread; a whole commit wakes the loop once."""
        self._kept.append((boot, seq))
        if not self._waking:
            self._waking = True
            try:
                self._loop.call_soon_threadsafe(self._wake)
            except RuntimeError:
                return  # the loop ended; the device will send again and be answered as a duplicate

    def _wake(self) -> None:
        self._waking = False  # before looking: what is kept after this wakes the loop again
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="acks")

    async def _run(self) -> None:
        while self._kept:
            batch = [self._kept.popleft() for _ in range(min(_AT_ONCE, len(self._kept)))]
            for boot in dict.fromkeys(boot for boot, _ in batch):
                await self._send(boot, [seq for b, seq in batch if b == boot])
