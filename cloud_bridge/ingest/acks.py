"""Acknowledgements: what the record's thread has put on disk, told to the devices a commit at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

_AT_ONCE = 256  # numbers in one acknowledgement


class Acknowledged(Protocol):
    """A session, as seen from here."""

    def acknowledge(self, boot: int, seqs: list[int]) -> None:
        """Tell the device. Returns at once, raises nothing."""


class Acks:
    """Gathers what is on disk, of all sessions, and tells it on the loop that made the first of it known."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._kept: deque[tuple[Acknowledged, int, int]] = deque()
        self._waking = False

    def expect(self) -> None:
        """Acknowledgements belong to the loop that runs now."""
        self._loop = asyncio.get_running_loop()

    def kept(self, session: Acknowledged, boot: int, seq: int) -> None:
        """This envelope is on disk. From any thread; a whole commit wakes the loop once."""
        self._kept.append((session, boot, seq))
        if not self._waking and self._loop is not None:
            self._waking = True
            try:
                self._loop.call_soon_threadsafe(self._tell)
            except RuntimeError:
                return  # the loop ended; the device will send again and be answered as a duplicate

    def _tell(self) -> None:
        self._waking = False  # before looking: what is kept after this wakes the loop again
        told: dict[tuple[Acknowledged, int], list[int]] = {}
        while self._kept:
            session, boot, seq = self._kept.popleft()
            told.setdefault((session, boot), []).append(seq)
        for (session, boot), seqs in told.items():
            for at in range(0, len(seqs), _AT_ONCE):
                session.acknowledge(boot, seqs[at : at + _AT_ONCE])
