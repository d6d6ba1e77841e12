"""Turns: counting, one summary per turn, trends over turns, and each person's own baseline. Memory is bounded."""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from edge.types import Affect, PersonState

KEEP_TURNS = 32
_KEEP_PEOPLE = 16  # baselines; whoever was not met for longest is forgotten first
_TREND_TURNS = 3
_TREND_RISE = 0.12  # total change over the turns that is called a trend; means of smoothed 0–1 cues wobble by ≈ 0.05
_TOLD = ("valence", "arousal")  # means of a turn, and of the session, that the end of a turn tells
_TREND_DIP = 0.02  # a step against the trend that is still no turn of it
_TREND_LEVEL = 0.5  # a cue that never reaches what is told of it by itself has no trend that is worth telling


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnSummary:
    """One finished turn, without content. Times in seconds; `means` of cues, valence, arousal over its speech."""

    turn: int
    person: int
    start_s: float
    end_s: float
    speech_s: float
    label: str | None
    means: Mapping[str, float] = field(default_factory=dict)
    incongruence: float = 0.0  # the strongest
    away_share: float | None = None  # of the turn's time, looking elsewhere

    def figures(self) -> dict[str, float]:
        """What the event of the turn's end tells of it; only what is known."""
        found = {name: self.means.get(name) for name in _TOLD} | {"away_share": self.away_share}
        told = {name: round(value, 2) for name, value in found.items() if value is not None}
        if self.incongruence:
            told["incongruence"] = round(self.incongruence, 2)
        return {"turn": self.turn, "speech_s": round(self.speech_s, 2), **told}


@dataclass(slots=True)
class Baseline:
    """What is usual for one person: running means over finished turns, slow after the first few."""

    turns: int = 0
    means: dict[str, float] = field(default_factory=dict)

    def learn(self, values: Mapping[str, float]) -> None:
        """Take in the means of one turn."""
        self.turns += 1
        rate = max(1 / self.turns, 0.15)
        for name, value in values.items():
            self.means[name] = self.means.get(name, value) + rate * (value - self.means.get(name, value))

    def usual(self, name: str) -> float | None:
        """The usual value, once two turns stand behind it."""
        return self.means.get(name) if self.turns >= 2 else None


@dataclass(slots=True)
class _Running:
    """The turn that is going on."""

    start_s: float
    last_s: float
    speech_s: float = 0.0
    seconds: float = 0.0
    sums: dict[str, float] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    labels: dict[str, float] = field(default_factory=dict)
    speakers: dict[int, float] = field(default_factory=dict)
    away_s: float = 0.0
    looked_s: float = 0.0
    incongruence: float = 0.0

    def add(self, name: str, value: float, weight: float) -> None:
        self.sums[name] = self.sums.get(name, 0.0) + weight * value
        self.weights[name] = self.weights.get(name, 0.0) + weight


class Turns:
    """The session's turns. `count` is the running or last turn (0 before the first)."""

    def __init__(self) -> None:
        self.count = 0
        self.begun_s = -math.inf  # when the running or last turn began
        self.history: deque[TurnSummary] = deque(maxlen=KEEP_TURNS)
        self._running: _Running | None = None
        self._baselines: OrderedDict[int, Baseline] = OrderedDict()
        self._sessions: OrderedDict[int, dict[str, tuple[int, float]]] = OrderedDict()
        self._trends: dict[int, tuple[tuple[int, bool], str | None]] = {}  # as of (turn, whether it has ended)

    @property
    def running(self) -> bool:
        """Whether somebody has begun a turn and not ended it."""
        return self._running is not None

    @property
    def started_s(self) -> float:
        """When the running turn began; -inf where none runs."""
        return -math.inf if self._running is None else self._running.start_s

    def begin(self, t_s: float) -> bool:
        """Speech was heard; True when that begins a new turn."""
        if self._running is not None:
            return False
        self.count += 1
        self.begun_s = t_s
        self._running = _Running(start_s=t_s, last_s=t_s)
        return True

    def step(self, state: PersonState, *, is_speaker: bool) -> None:
        """Add a moment of the speaker to the running turn."""
        run = self._running
        if run is None or not is_speaker or state.t_s <= run.last_s:
            return
        dt = min(state.t_s - run.last_s, 1.0)  # a gap in the input does not count as a long moment
        run.last_s = state.t_s
        run.seconds += dt
        run.speakers[state.person] = run.speakers.get(state.person, 0.0) + dt
        if state.speaking:
            run.speech_s += dt
        affect: Affect | None = state.fused
        if affect is not None and not affect.unclear:
            run.add("valence", affect.valence, dt)
            run.add("arousal", affect.arousal, dt)
            run.labels[affect.label] = run.labels.get(affect.label, 0.0) + dt
        for name, value in state.cues.items():
            run.add(name, value, dt)
        if (prosody := state.prosody) is not None:
            for name in ("pitch_hz", "energy_db", "rate_hz", "pause_fraction", "pitch_range_st"):
                if (number := getattr(prosody, name)) is not None:
                    run.add(name, number, dt)
        if state.attention is not None and state.attention.on_target is not None:
            run.looked_s += dt
            run.away_s += 0.0 if state.attention.on_target else dt
        for item in state.incongruence:
            run.incongruence = max(run.incongruence, item.strength)

    def end(self, t_s: float) -> TurnSummary | None:
        """Close the running turn; None when there is none."""
        run, self._running = self._running, None
        if run is None:
            return None
        person = max(run.speakers, key=run.speakers.__getitem__, default=0)
        means = {name: run.sums[name] / weight for name, weight in run.weights.items() if weight > 0}
        summary = TurnSummary(
            turn=self.count,
            person=person,
            start_s=run.start_s,
            end_s=max(t_s, run.start_s),
            speech_s=run.speech_s,
            label=max(run.labels, key=run.labels.__getitem__, default=None),
            means=means,
            incongruence=run.incongruence,
            away_share=run.away_s / run.looked_s if run.looked_s > 0 else None,
        )
        self.history.append(summary)
        self._learn(person, means)
        return summary

    def _learn(self, person: int, means: Mapping[str, float]) -> None:
        self._baselines.setdefault(person, Baseline()).learn(means)
        self._baselines.move_to_end(person)
        session = self._sessions.setdefault(person, {})
        self._sessions.move_to_end(person)
        for name, value in means.items():
            n, mean = session.get(name, (0, 0.0))
            session[name] = (n + 1, mean + (value - mean) / (n + 1))
        for known in (self._baselines, self._sessions):
            while len(known) > _KEEP_PEOPLE:
                known.popitem(last=False)

    def baseline(self, person: int) -> Baseline:
        """What is usual for `person` (empty for a stranger)."""
        return self._baselines.get(person) or Baseline()

    def session(self, person: int) -> dict[str, float]:
        """Means over all finished turns of `person`, each turn counting the same; what their last turn's end tells."""
        means = self._sessions.get(person, {})
        return {f"session_{name}": round(means[name][1], 2) for name in _TOLD if name in means}

    def series(self, name: str, person: int, turns: int) -> list[float]:
        """Means of `name` in the last `turns` turns of `person`, oldest first; shorter where they are missing."""
        found = [t.means[name] for t in self.history if t.person == person and name in t.means]
        return found[-turns:]

    def direction(self, name: str, person: int, turns: int = _TREND_TURNS) -> str | None:
        """`rising`, `falling` or `steady` over the last `turns` turns; None with fewer."""
        return direction(self.series(name, person, turns), turns, span=span(name))

    def trend(self, person: int) -> str | None:
        """The most telling trend in words, e.g. `frustration rising over 3 turns`."""
        at = self.count, self.running
        if self._trends.get(person, (None, None))[0] != at:
            self._trends[person] = (at, self._trend(person))
            while len(self._trends) > _KEEP_PEOPLE:
                del self._trends[next(iter(self._trends))]
        return self._trends[person][1]

    def _trend(self, person: int) -> str | None:
        for name, wanted in (
            ("frustration", "rising"),
            ("uncertainty", "rising"),
            ("frustration", "falling"),
            ("interest", "falling"),
            ("valence", "falling"),
            ("valence", "rising"),
        ):
            if self.direction(name, person) != wanted:
                continue
            if name != "valence" and not self._notable(name, person):
                continue
            longest = _TREND_TURNS
            while longest < KEEP_TURNS and self.direction(name, person, longest + 1) == wanted:
                longest += 1
            return f"{'mood' if name == 'valence' else name} {wanted} over {longest} turns"
        return None

    def _notable(self, name: str, person: int) -> bool:
        return max(self.series(name, person, _TREND_TURNS), default=0.0) >= _TREND_LEVEL

    def forget(self, person: int) -> None:
        """Keep nothing of `person`: summaries, what is usual, trends; nor of a turn that they take part in."""
        if self._running is not None and person in self._running.speakers:
            self._running = None
        self.history = deque((one for one in self.history if one.person != person), maxlen=KEEP_TURNS)
        for known in (self._baselines, self._sessions, self._trends):
            known.pop(person, None)


def span(name: str) -> float:
    """How far the scale of `name`, a path or its last part, reaches: from -1 to 1 for valence and arousal, else 1."""
    return 2.0 if name.endswith(("valence", "arousal")) else 1.0


def direction(values: Sequence[float], turns: int = _TREND_TURNS, *, span: float = 1.0) -> str | None:
    """`rising`, `falling` or `steady` over the last `turns` of `values` (one per turn); None with fewer.

    What counts as a change is a share of `span`, or of the first value where that is larger (a pitch, a level).
    """
    values = values[-turns:]
    if turns < 2 or len(values) < turns or not all(map(math.isfinite, values)):
        return None
    steps = [b - a for a, b in pairwise(values)]
    change, scale = values[-1] - values[0], max(span, abs(values[0]))
    if abs(change) < _TREND_RISE * scale:
        return "steady"
    if change > 0 and min(steps) > -_TREND_DIP * scale:
        return "rising"
    if change < 0 and max(steps) < _TREND_DIP * scale:
        return "falling"
    return "steady"
