"""Whether answering before the turn is over pays: with some people a pause is mostly the end, with others not."""

from __future__ import annotations

from collections import deque

WASTED_PER_H = 120  # answers begun for nothing that one device may cost in an hour
_PAUSES = 16  # that are remembered
_FEWEST = 6  # before so many nothing is concluded


class Guesses:
    """What became of one person's pauses, guessed at or not: so it is known again when guessing would pay."""

    def __init__(self) -> None:
        self._was_end: deque[bool] = deque(maxlen=_PAUSES)
        self._pause: tuple[int, str] | None = None  # turn and words
        self._wasted_s: deque[float] = deque(maxlen=WASTED_PER_H)

    def paused(self, turn: int, words: str) -> None:
        """The turn may be over with these words."""
        if self._pause != (turn, words):
            self._settle((turn, words), final=False)

    def ended(self, turn: int, words: str) -> None:
        """The turn is over with these words."""
        self._settle((turn, words), final=True)

    def wasted(self, now_s: float) -> None:
        """An answer was begun for nothing."""
        self._wasted_s.append(now_s)

    def pay(self, now_s: float) -> bool:
        """Whether to begin an answer at a pause: at least every second one was an end lately, and this hour's waste is
        not spent."""
        if sum(now_s - at_s < 3600.0 for at_s in self._wasted_s) >= WASTED_PER_H:
            return False
        return len(self._was_end) < _FEWEST or 2 * sum(self._was_end) >= len(self._was_end)

    def forget(self) -> None:
        """Forget what was said; what it cost stays counted."""
        self._pause = None

    def _settle(self, now: tuple[int, str], *, final: bool) -> None:
        if self._pause is not None:
            self._was_end.append(final and self._pause == now)
        self._pause = None if final else now
