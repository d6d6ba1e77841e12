"""Observation → PersonState → Event → Description: one step, in one thread, without input or output."""

from __future__ import annotations

from collections.abc import Iterable

from edge.describe import Describer
from edge.moment import Moment
from edge.policy import Policy
from edge.rules import Rules
from edge.state import People
from edge.types import Description, Observation, PersonState, TurnEnd


class Path:
    """What one device makes of its observations. `step` may be given them in any order; time never runs backwards."""

    def __init__(
        self, *, policy: Policy, rules: Rules, language: str = "en", describe_every_s: float | None = None
    ) -> None:
        self._policy = policy
        self._rules = rules
        self._people = People()
        self._describer = Describer(language=language)
        self._describe_every_s = describe_every_s
        self._described_s = 0.0
        self._now_s = 0.0
        self.states: tuple[PersonState, ...] = ()

    def step(self, observations: Iterable[Observation], now_s: float) -> Moment:
        """Take in `observations` and say what follows. Descriptions are made when a turn ends or a rule fires."""
        self._now_s = now_s = max(now_s, self._now_s)
        if self._policy.mode == "off":
            self._forget()
        allowed = tuple(self._policy.filter(observations))
        found = [self._policy.redact(state) for state in self._people.update(allowed, now_s)]
        for person in self._policy.withdrawn:
            self._people.forget(person)
        self.states = tuple(state for state in found if state is not None)
        gone = [] if self._policy.mode == "off" else [self._policy.told(one) for one in self._people.left()]
        fired = self._rules.step(self.states, now_s)
        ended = any(isinstance(one, TurnEnd) for one in allowed)
        due = self._describe_every_s is not None and now_s - self._described_s >= self._describe_every_s
        if due:
            self._described_s = now_s
        wanted = {event.person for event in fired}
        described = [state for state in self.states if ended or due or state.person in wanted]
        return Moment(
            t_s=now_s,
            observations=allowed,
            states=self.states,
            events=(*(event for state in self.states for event in state.events), *gone, *fired),
            descriptions=tuple(self.describe(state) for state in described),
        )

    def describe(self, state: PersonState) -> Description:
        """`state` in words."""
        return self._describer.describe(state)

    def reset(self) -> None:
        """Forget everybody; time begins anew."""
        self._forget()
        self._now_s = self._described_s = 0.0
        self.states = ()

    def _forget(self) -> None:
        self._people.reset()
        self._rules.reset()
        self._describer.reset()
