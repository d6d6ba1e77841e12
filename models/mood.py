"""Which feeling a voice stands in, over time: a hidden Markov filter that hears a voice against its own habit.

Each observation is evidence for one of four classes, and so is how far it differs from the same voice's last seconds:
people differ more from each other than from themselves. A feeling lasts, and most of the time people are calm; so a
new label is taken only when little else is left to believe, and there is none before that. How much all of this
weighs was chosen by `mien train mood`, on voices that the head did not know.
"""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from models import store
from models.errors import ModelCorrupt
from models.voice_head import CORE

_HABIT_S, _HABIT_LAG_S = 15.0, 1.0  # of speech: memory, and what is too new to be a habit
_STEP_S = 1.0  # a longer pause is no longer evidence of change than this
_LEAST = 0.01  # no class is impossible
_STILL = 0.3  # belief under which a label is in doubt again


@dataclass(frozen=True, slots=True)
class Settings:
    """What `mien train mood` chooses: `models/weights/mood.json`."""

    calm: float  # share of the time that people are calm
    changes_per_s: float  # how fast what was heard ceases to count
    trust: float  # of one observation; below 1, since its sound is partly that of the last ones
    habit_weight: float  # of the difference to one's habit, beside what the voice sounds like by itself
    habit_full_s: float  # seconds of speech after which a habit counts fully
    sure: float  # belief from which a label is taken
    unpleasant_odds: float  # of each unpleasant class against the pleasant one, where a stranger's voice leans nowhere


@lru_cache(maxsize=1)
def load() -> Settings:
    """The shipped settings, loaded once. Raises ModelMissing or ModelCorrupt."""
    file = store.path("mood")
    try:
        return Settings(**json.loads(file.read_text(encoding="utf-8")))
    except (TypeError, ValueError, OSError) as error:
        raise ModelCorrupt(f"{file} holds no settings of a mood: run `mien train mood` ({error})") from error


class Mood:
    """`label`: the class that holds, or None while none was sure yet. `sure`: whether it still is.

    `settings`: by default the shipped ones.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._with = settings or load()
        self._at_first = [self._with.calm, *[(1 - self._with.calm) / 3] * 3]
        self._t_s = -math.inf
        self._habit = [0.0] * len(CORE)
        self._habit_s = 0.0
        self._new: deque[tuple[float, list[float], float]] = deque()
        self.pause()

    def pause(self) -> None:
        """Nothing was heard for so long that the feeling may be another; the habit stays."""
        self.label: str | None = None
        self.sure = False
        self._belief = list(self._at_first)

    def hear(self, t_s: float, *windows: Mapping[str, float]) -> None:
        """Take in what the last seconds sounded like: probabilities over CORE, of one window or of several that end
        now; `t_s` is later than the last one."""
        gap_s = min(t_s - self._t_s, _STEP_S)
        self._t_s = t_s
        logs = [
            sum(math.log(_LEAST + (1 - 4 * _LEAST) * window.get(name, 0.0)) for window in windows) / len(windows)
            for name in CORE
        ]
        self._learn_habit(t_s)
        weight = self._with.habit_weight * min(self._habit_s / self._with.habit_full_s, 1.0)
        evidence = [log + weight * (log - habit) for log, habit in zip(logs, self._habit, strict=True)]
        top = max(evidence)
        shares = [math.exp(value - top) for value in evidence]
        total = sum(shares)
        moved = 1 - math.exp(-self._with.changes_per_s * gap_s)
        belief = [
            ((1 - moved) * before + moved * first) * (_LEAST + share / total) ** self._with.trust
            for before, first, share in zip(self._belief, self._at_first, shares, strict=True)
        ]
        total = sum(belief)
        self._belief = [value / total for value in belief]
        best = max(range(len(CORE)), key=self._belief.__getitem__)
        if self._belief[best] >= self._with.sure:
            self.label = CORE[best]
        self.sure = self.label is not None and self._belief[CORE.index(self.label)] >= _STILL
        self._new.append((t_s, logs, gap_s))

    def _learn_habit(self, t_s: float) -> None:
        while self._new and t_s - self._new[0][0] >= _HABIT_LAG_S:
            _, logs, gap_s = self._new.popleft()
            self._habit_s = min(self._habit_s + gap_s, _HABIT_S)
            rate = gap_s / self._habit_s
            self._habit = [habit + rate * (log - habit) for habit, log in zip(self._habit, logs, strict=True)]
