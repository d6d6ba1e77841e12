"""Awareness rules: conditions over states, with hold time, hysteresis and cool-down, that fire events and tool calls.

Rules are a TOML file (`edge/default_rules.toml` ships and shows the shape). A changed file is taken up while running;
a broken one is refused, the old rules stay, and `error` says why.
"""

from __future__ import annotations

import logging
import math
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from edge.conditions import Value, read
from edge.errors import ConfigError
from edge.files import stamp
from edge.rule_file import From, Rule, Written, read_file, read_one
from edge.turns import direction, span
from edge.types import Event, PersonState

log = logging.getLogger(__name__)
SHIPPED = Path(__file__).parent / "default_rules.toml"
_LOOK_S = 1.0  # how often the file is looked at
_GAP_S = 1.0  # without a state for so long, a hold begins anew
_KEEP = 16  # people, and turns of each
_MOST = 256  # rules; each is looked at with every state
Tool = Callable[..., object]


@dataclass(slots=True)
class _Progress:
    """How far `rule` is with one person."""

    rule: Rule
    since_s: float | None = None
    seen_s: float = -math.inf
    active: bool = False
    fired_s: float = -math.inf


@dataclass(slots=True)
class _Course:
    """Mean of one path per turn, for trend(); of turns that are over, for the first words of one tell little."""

    turn: int = 0
    total: float = 0.0
    count: int = 0
    over: bool = False  # the turn ended, and the next has not begun
    done: list[float] = field(default_factory=list)

    def step(self, turn: int, value: Value | None, *, ends: bool) -> None:
        if turn != self.turn:
            self._close()
            self.turn, self.over = turn, False
        if value is not None and not self.over:
            self.total += float(value)
            self.count += 1
        if ends:
            self._close()
            self.over = True

    def _close(self) -> None:
        if self.count and self.turn > 0:
            self.done.append(self.total / self.count)
            del self.done[:-_KEEP]
        self.total, self.count = 0.0, 0


@dataclass(slots=True)
class _Person:
    progress: dict[str, _Progress] = field(default_factory=dict)
    courses: dict[str, _Course] = field(default_factory=dict)


class Rules:
    """Checks every state against every rule. `tools`: name → function, called on the device with a rule's arguments.

    `error`: why the changed file was refused, or None. `tool_faults`: calls that failed.
    """

    def __init__(self, rules: Iterable[Rule], path: Path | None = None) -> None:
        self._rules = list(rules)
        self._path = path
        self._stamp = stamp(path) if path is not None else None
        self._looked_s = -math.inf
        self._people: OrderedDict[int, _Person] = OrderedDict()
        self.tools: dict[str, Tool] = {}
        self.error: str | None = None
        self.tool_faults = 0

    @classmethod
    def load(cls, path: Path | None) -> Rules:
        """The rules in `path`; None: the shipped ones. Raises ConfigError naming file, rule and mend."""
        return cls(read_file(path or SHIPPED), path)

    @property
    def names(self) -> list[str]:
        """Names of the rules in force."""
        return [rule.written.name for rule in self._rules]

    def put(self, text: str) -> str:
        """Add one rule, as one `[[rule]]` table in TOML, or put it in the place of the one of that name; until the
        device starts again or the file changes. The rule's name. Raises ConfigError."""
        rule = read_one(text)
        kept = [other for other in self._rules if other.written.name != rule.written.name]
        if len(kept) >= _MOST:
            raise ConfigError(f"there are {_MOST} rules already: change one of them")
        self._rules = [*kept, rule]  # in one step: another thread may be going through the old list
        return rule.written.name

    def reset(self) -> None:
        """Forget everybody, and how far each rule was with them."""
        self._people.clear()
        self._looked_s = -math.inf

    def step(self, states: Iterable[PersonState], now_s: float) -> list[Event]:
        """The events that fire now; tools of this device are called."""
        self._reload(now_s)
        rules = self._rules  # the same ones throughout: `put` may be called meanwhile
        events = []
        for state in states:
            person = self._people.setdefault(state.person, _Person())
            self._people.move_to_end(state.person)
            _follow(rules, person, state)
            for rule in rules:
                if self._fires(rule, person, state, now_s):
                    events.append(self._event(rule.written, state, now_s))
        while len(self._people) > _KEEP:
            self._people.popitem(last=False)
        return events

    def _fires(self, rule: Rule, person: _Person, state: PersonState, now_s: float) -> bool:
        def trend(path: str, turns: int) -> str | None:
            return direction(person.courses[path].done, turns, span=span(path))

        at = person.progress.get(rule.written.name)
        if at is None or at.rule is not rule:  # one put in another's place begins anew
            at = person.progress[rule.written.name] = _Progress(rule)
        if now_s - at.seen_s > _GAP_S:
            at.since_s = None
        at.seen_s = now_s
        holds = rule.when.holds(state, trend)
        if at.active:
            over = not holds if rule.until is None else rule.until.holds(state, trend)
            if not over:
                return False
            at.active = False
        if not holds:
            at.since_s = None
            return False
        at.since_s = now_s if at.since_s is None else at.since_s
        if now_s - at.since_s < rule.written.hold_s or now_s - at.fired_s < rule.written.cooldown_s:
            return False
        at.active, at.fired_s, at.since_s = True, now_s, None
        return True

    def _event(self, rule: Written, state: PersonState, now_s: float) -> Event:
        arguments: dict[str, Value] = {}
        for name, value in rule.arguments.items():
            known = read(state, value.path) if isinstance(value, From) else value
            if known is not None:
                arguments[name] = known
        if rule.call is not None and (tool := self.tools.get(rule.call)) is not None:
            try:
                tool(**arguments)
            except Exception as error:  # a tool of the integrator must not end perception
                self.tool_faults += 1
                log.warning("tool '%s' of rule '%s' failed: %s", rule.call, rule.name, type(error).__name__)
        if rule.call is not None:
            arguments = {"call": rule.call, **arguments}
        return Event(t_s=now_s, name=rule.name, person=state.person, arguments=arguments, priority=rule.priority)

    def _reload(self, now_s: float) -> None:
        if self._path is None or now_s - self._looked_s < _LOOK_S:
            return
        self._looked_s = now_s
        found = stamp(self._path)
        if found == self._stamp:
            return
        self._stamp = found
        try:
            self._rules = read_file(self._path)
        except ConfigError as error:
            self.error = str(error)
            log.warning("the changed rules are not used: %s", error)
            return
        self.error = None
        self._people.clear()
        log.info("rules taken up from %s", self._path)


def _follow(rules: Iterable[Rule], person: _Person, state: PersonState) -> None:
    ends = any(event.name == "turn_end" for event in state.events)
    for rule in rules:
        for path, _ in rule.when.trends | (rule.until.trends if rule.until else frozenset()):
            person.courses.setdefault(path, _Course()).step(state.turn, read(state, path), ends=ends)
