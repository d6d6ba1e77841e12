"""Which feeling a voice stands in, over time: what it just sounded like, against how it sounded before.

People differ more from each other than from themselves, so each window of the newest speech counts twice: by itself,
and by how far it differs from the same voice's last quarter of a minute. A label changes when the windows together
leave little else to believe. Nothing is summed up over time: a window that holds nothing from before a change tells of
it at once, where a sum would first have to forget. A voice's first label is also taken from how it sounded for some
seconds on the whole, since calm speech is not unlike itself. How much all of this weighs was chosen by `mien train
mood`, on voices that the head did not know.
"""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from models import store
from models.errors import ModelCorrupt
from models.voice_head import CORE

_HABIT_S = 15.0  # of speech: what a habit remembers
_STEP_S = 0.5  # one observation stands for no more speech than this
_LONG_S, _LONG_LEAST_S = 3.0, 2.0  # of speech: what a first label is taken from
_AGAIN_S = 4.0  # of speech: how long a label that was just taken is harder to leave
_LEAST = 1e-4  # no class is impossible
_STILL = -2.0  # log odds under which a label is in doubt again

Logs = list[float]  # one number for each of CORE


@dataclass(frozen=True, slots=True)
class Settings:
    """What `mien train mood` chooses: `models/weights/mood.json`. Odds are log odds, natural."""

    calm: float  # added to calm, beside what the windows say
    habit_weight: float  # of the difference to one's habit, beside what the voice sounds like by itself
    habit_full_s: float  # seconds of speech after which a habit counts fully
    habit_lag_s: float  # of speech that is too new to be a habit
    odds: float  # from which a label is taken …
    calm_more: float  # … more of them for calm …
    again_more: float  # … and more of them just after another change
    first_odds: float  # from which some seconds on the whole give the first label
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
        self._need = [self._with.odds + (self._with.calm_more if name == "neutral" else 0.0) for name in CORE]
        self._t_s = -math.inf
        self._speech_s = 0.0
        self._habit = [0.0] * len(CORE)
        self._habit_s = 0.0
        self._new: deque[tuple[float, Logs, float]] = deque()
        self.pause()

    def pause(self) -> None:
        """Nothing was heard for so long that the feeling may be another; the habit stays."""
        self.label: str | None = None
        self.sure = False
        self._changed_s = -math.inf
        self._long: deque[tuple[float, Logs]] = deque()

    def hear(self, t_s: float, *windows: Mapping[str, float]) -> None:
        """Take in what the last seconds sounded like: probabilities over CORE, of one window or of several that end
        now; `t_s` is later than the last one."""
        step_s = min(t_s - self._t_s, _STEP_S)
        self._t_s = t_s
        self._speech_s += step_s
        logs = [[math.log(max(window.get(name, 0.0), _LEAST)) for name in CORE] for window in windows]
        whole = _mean(logs)
        self._learn_habit()
        self._new.append((self._speech_s, whole, step_s))
        self._long.append((step_s, whole))
        odds = _mean([_odds(self._against_habit(window)) for window in logs])
        self._judge(odds, self._odds_on_the_whole())

    def _against_habit(self, logs: Logs) -> Logs:
        weight = self._with.habit_weight * min(self._habit_s / self._with.habit_full_s, 1.0)
        told = [log + weight * (log - habit) for log, habit in zip(logs, self._habit, strict=True)]
        told[0] += self._with.calm
        return told

    def _odds_on_the_whole(self) -> Logs | None:
        seconds = sum(step_s for step_s, _ in self._long)
        while seconds - self._long[0][0] >= _LONG_S:
            seconds -= self._long.popleft()[0]
        return _odds(_mean([logs for _, logs in self._long])) if seconds >= _LONG_LEAST_S else None

    def _judge(self, odds: Logs, whole: Logs | None) -> None:
        over = [have - need for have, need in zip(odds, self._need, strict=True)]
        best = max(range(len(CORE)), key=over.__getitem__)
        again = self._with.again_more if self._speech_s - self._changed_s < _AGAIN_S else 0.0
        if over[best] >= again:
            if CORE[best] != self.label:
                self.label, self._changed_s = CORE[best], self._speech_s
        elif self.label is None and whole is not None and max(whole) >= self._with.first_odds:
            self.label = CORE[whole.index(max(whole))]
        if self.label is not None:
            place = CORE.index(self.label)
            self.sure = max(odds[place], -math.inf if whole is None else whole[place]) >= _STILL

    def _learn_habit(self) -> None:
        while self._new and self._speech_s - self._new[0][0] >= self._with.habit_lag_s:
            _, logs, step_s = self._new.popleft()
            self._habit_s = min(self._habit_s + step_s, _HABIT_S)
            rate = step_s / self._habit_s
            self._habit = [habit + rate * (log - habit) for habit, log in zip(self._habit, logs, strict=True)]


def _mean(rows: Sequence[Logs]) -> Logs:
    return [sum(column) / len(rows) for column in zip(*rows, strict=True)]


def _odds(logs: Logs) -> Logs:
    """Log odds of each class, where `logs` are their unscaled log probabilities."""
    top = max(logs)
    shares = [math.exp(log - top) for log in logs]
    total = sum(shares)
    bounded = [min(max(share / total, _LEAST), 1 - _LEAST) for share in shares]
    return [math.log(share / (1 - share)) for share in bounded]
