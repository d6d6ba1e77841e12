"""When time, heat or memory runs short, step down a ladder of named degradations; and back up when it is over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Step:
    """One rung: what still runs. `frame_hz` None: every frame."""

    name: str
    frame_hz: float | None
    expression_hz: float
    words: bool
    sight: bool


LADDER: Final = (
    Step("", None, 8.0, True, True),
    Step("fewer_frames", 15.0, 8.0, True, True),
    Step("fewer_expressions", 10.0, 3.0, True, True),
    Step("no_words", 8.0, 3.0, False, True),
    Step("voice_only", 8.0, 3.0, False, False),
)

_HOT_C, _COOL_C = 80.0, 72.0
_LATE_S, _EASY_S = 0.25, 0.10
_DOWN_AFTER_S, _UP_AFTER_S = 2.0, 15.0


class Governor:
    """Chooses the rung. `update` is called about once a second with what was measured since."""

    def __init__(self, memory_limit_mb: float) -> None:
        self._limit_mb = memory_limit_mb
        self._rung = 0
        self._strained_since: float | None = None
        self._easy_since: float | None = None

    @property
    def step(self) -> Step:
        """The rung that holds now."""
        return LADDER[self._rung]

    def update(self, now_s: float, *, late_s: float, rss_mb: float | None, temperature_c: float | None) -> Step:
        """The rung after this measurement. `late_s`: how far perception runs behind the sensors."""
        hot = temperature_c is not None and temperature_c >= _HOT_C
        full = rss_mb is not None and rss_mb >= 0.95 * self._limit_mb
        cool = temperature_c is None or temperature_c <= _COOL_C
        roomy = rss_mb is None or rss_mb <= 0.85 * self._limit_mb
        strained = late_s >= _LATE_S or hot or full
        easy = late_s <= _EASY_S and cool and roomy
        self._strained_since = _since(self._strained_since, strained, now_s)
        self._easy_since = _since(self._easy_since, easy, now_s)
        if self._strained_since is not None and now_s - self._strained_since >= _DOWN_AFTER_S:
            self._rung = min(self._rung + 1, len(LADDER) - 1)
            self._strained_since = now_s
        elif self._easy_since is not None and self._rung and now_s - self._easy_since >= _UP_AFTER_S:
            self._rung -= 1
            self._easy_since = now_s
        return self.step


def _since(before_s: float | None, holds: bool, now_s: float) -> float | None:
    if not holds:
        return None
    return now_s if before_s is None else before_s
