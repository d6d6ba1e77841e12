"""Which feeling a voice stands in, over time: a hidden Markov filter that hears a voice against its own habit.

Each observation is evidence for one of four classes, and so is how far it differs from the same voice's last seconds:
people differ more from each other than from themselves. A feeling lasts, and most of the time people are calm; so a
new label is taken only when little else is left to believe, and there is none before that.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping

CLASSES = ("neutral", "happy", "sad", "angry")
# Chosen on splices of RAVDESS's actors 1–12; the figures of `mien bench joint` are of the other twelve.
_CALM = 0.7  # share of the time that people are calm
_CHANGES_PER_S = 0.2
_SURE = 0.8
_HABIT_WEIGHT = 0.7  # of the difference to one's habit, beside what the voice sounds like by itself
_HABIT_S, _HABIT_LAG_S, _HABIT_FULL_S = 15.0, 1.0, 1.0  # of speech: memory, what is too new to be a habit, enough of it
_STEP_S = 1.0  # a longer pause is no longer evidence of change than this
_LEAST = 0.01  # no class is impossible


class Mood:
    """`label`: the class that holds, or None while none was sure yet. `sure`: whether it still is."""

    def __init__(self) -> None:
        self.label: str | None = None
        self.sure = False
        self._t_s = -math.inf
        self._belief = dict(_AT_FIRST)
        self._habit = dict.fromkeys(CLASSES, 0.0)
        self._habit_s = 0.0
        self._new: deque[tuple[float, dict[str, float], float]] = deque()

    def pause(self) -> None:
        """Nothing was heard for so long that the feeling may be another; the habit stays."""
        self.label, self.sure, self._belief = None, False, dict(_AT_FIRST)

    def hear(self, t_s: float, probs: Mapping[str, float]) -> None:
        """Take in what the last second sounded like: probabilities over CLASSES, later than the last ones."""
        gap_s = min(t_s - self._t_s, _STEP_S)
        self._t_s = t_s
        logs = {name: math.log(_LEAST + (1 - 4 * _LEAST) * probs.get(name, 0.0)) for name in CLASSES}
        self._learn_habit(t_s)
        known = min(self._habit_s / _HABIT_FULL_S, 1.0)
        evidence = {n: logs[n] + _HABIT_WEIGHT * known * (logs[n] - self._habit[n]) for n in CLASSES}
        top = max(evidence.values())
        total = sum(math.exp(value - top) for value in evidence.values())
        moved = 1 - math.exp(-_CHANGES_PER_S * gap_s)
        for name, value in evidence.items():
            expected = (1 - moved) * self._belief[name] + moved * _AT_FIRST[name]
            self._belief[name] = expected * (_LEAST + math.exp(value - top) / total)
        total = sum(self._belief.values())
        self._belief = {name: value / total for name, value in self._belief.items()}
        best = max(CLASSES, key=self._belief.__getitem__)
        if self._belief[best] >= _SURE:
            self.label = best
        self.sure = self.label is not None and self._belief[self.label] >= 0.5
        self._new.append((t_s, logs, gap_s))

    def _learn_habit(self, t_s: float) -> None:
        while self._new and t_s - self._new[0][0] >= _HABIT_LAG_S:
            _, logs, gap_s = self._new.popleft()
            self._habit_s = min(self._habit_s + gap_s, _HABIT_S)
            rate = gap_s / self._habit_s
            for name, value in logs.items():
                self._habit[name] += rate * (value - self._habit[name])


_AT_FIRST = {name: _CALM if name == "neutral" else (1 - _CALM) / 3 for name in CLASSES}
