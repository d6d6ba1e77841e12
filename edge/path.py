"""Observation → PersonState → Event → Description: one step, in one thread, without input or output."""

from __future__ import annotations

from collections.abc import Iterable

from edge.describe import Describer
from edge.moment import Moment
from edge.policy import Policy
from edge.rules import Rules
from edge.state import People
from edge.types import Description, Event, Observation, PersonState, SpeechActivity, TurnEnd


class Path:
    """What one device makes of its observations. `step` is called in the order of time."""

    def __init__(self, *, policy: Policy, rules: Rules, language: str = "en") -> None:
        self._policy = policy
        self._rules = rules
        self._people = People()
        self._describer = Describer(language=language)
        self._speaking = False
        self.states: tuple[PersonState, ...] = ()

    def step(self, observations: Iterable[Observation], now_s: float) -> Moment:
        """Take in `observations` and say what follows. Descriptions are made when a turn ends or a rule fires."""
        seen = tuple(one for one in observations if self._policy.allows(one))
        self.states = tuple(self._people.update(seen, now_s))
        events = [*self._speech_events(seen), *self._rules.step(self.states, now_s)]
        spoken = any(isinstance(one, TurnEnd) for one in seen)
        wanted = {event.person for event in events if event.name not in ("speech_start", "speech_end")}
        described = [state for state in self.states if spoken or state.person in wanted]
        return Moment(
            t_s=now_s,
            observations=seen,
            states=self.states,
            events=tuple(events),
            descriptions=tuple(self.describe(state) for state in described),
        )

    def describe(self, state: PersonState) -> Description:
        """`state` in words."""
        return self._describer.describe(state)

    def reset(self) -> None:
        """Forget everybody."""
        self._people.reset()
        self._speaking = False
        self.states = ()

    def _speech_events(self, observations: Iterable[Observation]) -> Iterable[Event]:
        for one in observations:
            if isinstance(one, SpeechActivity) and one.speaking != self._speaking:
                self._speaking = one.speaking
                yield Event(t_s=one.t_s, name="speech_start" if one.speaking else "speech_end")
