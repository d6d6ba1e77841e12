"""Awareness rules: conditions over states, with hold time, hysteresis and cool-down, that fire events and tool calls.

Rules are a TOML file (`edge/default_rules.toml` ships and shows the shape). A changed file is taken up while running;
a broken one is refused, the old rules stay, and `error` says why.
"""

from __future__ import annotations

import logging
import math
import re
import tomllib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from edge.conditions import PATHS, Condition, Value, parse, read, suggest
from edge.errors import ConfigError
from edge.turns import direction
from edge.types import Event, PersonState

log = logging.getLogger(__name__)
SHIPPED = Path(__file__).parent / "default_rules.toml"
_LOOK_S = 1.0  # how often the file is looked at
_GAP_S = 1.0  # without a state for so long, a hold begins anew
_KEEP = 16  # people, and turns of each
_MOST = 256  # rules; each is looked at with every state
Tool = Callable[..., object]


def _seconds(value: object) -> object:
    """`2s`, `500ms`, `1.5min` → seconds; numbers are seconds."""
    if isinstance(value, str) and (match := re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|min)\s*", value)):
        return float(match[1]) * {"ms": 0.001, "s": 1.0, "min": 60.0}[match[2]]
    return value


Seconds = Annotated[float, BeforeValidator(_seconds), Field(ge=0, le=3600)]


class _From(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
    path: str = Field(alias="from")


class _Written(BaseModel):
    """A rule as the file has it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,47}$")
    when: str
    until: str | None = None
    hold_s: Seconds = Field(default=0.0, alias="for")
    cooldown_s: Seconds = Field(default=0.0, alias="cooldown")
    priority: Literal["normal", "alert"] = "normal"
    call: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9_]{0,47}$")
    arguments: dict[str, bool | int | float | str | _From] = {}


@dataclass(slots=True)
class _Progress:
    """How far one rule is with one person."""

    since_s: float | None = None
    seen_s: float = -math.inf
    active: bool = False
    fired_s: float = -math.inf


@dataclass(frozen=True, slots=True)
class _Rule:
    written: _Written
    when: Condition
    until: Condition | None


@dataclass(slots=True)
class _Course:
    """Mean of one path per turn, for trend()."""

    turn: int = 0
    total: float = 0.0
    count: int = 0
    done: list[float] = field(default_factory=list)

    def step(self, turn: int, value: Value | None) -> None:
        if turn != self.turn:
            if self.count and self.turn > 0:
                self.done.append(self.total / self.count)
                del self.done[:-_KEEP]
            self.turn, self.total, self.count = turn, 0.0, 0
        if value is not None:
            self.total += float(value)
            self.count += 1

    def means(self) -> list[float]:
        return [*self.done, self.total / self.count] if self.count and self.turn > 0 else self.done


@dataclass(slots=True)
class _Person:
    progress: dict[str, _Progress] = field(default_factory=dict)
    courses: dict[str, _Course] = field(default_factory=dict)


class Rules:
    """Checks every state against every rule. `tools`: name → function, called on the device with a rule's arguments.

    `error`: why the changed file was refused, or None. `tool_faults`: calls that failed.
    """

    def __init__(self, rules: Iterable[_Rule], path: Path | None = None) -> None:
        self._rules = list(rules)
        self._path = path
        self._stamp = _stamp(path)
        self._looked_s = -math.inf
        self._people: OrderedDict[int, _Person] = OrderedDict()
        self.tools: dict[str, Tool] = {}
        self.error: str | None = None
        self.tool_faults = 0

    @classmethod
    def load(cls, path: Path | None) -> Rules:
        """The rules in `path`; None: the shipped ones. Raises ConfigError naming file, rule and mend."""
        return cls(_read(path or SHIPPED), path)

    @property
    def names(self) -> list[str]:
        """Names of the rules in force."""
        return [rule.written.name for rule in self._rules]

    def put(self, text: str) -> str:
        """Add one rule, as one `[[rule]]` table in TOML, or put it in the place of the one of that name; until the
        device starts again or the file changes. The rule's name. Raises ConfigError."""
        rule = _one(text)
        kept = [other for other in self._rules if other.written.name != rule.written.name]
        if len(kept) >= _MOST:
            raise ConfigError(f"there are {_MOST} rules already: change one of them")
        self._rules = [*kept, rule]  # in one step: another thread may be going through the old list
        return rule.written.name

    def step(self, states: Iterable[PersonState], now_s: float) -> list[Event]:
        """The events that fire now; tools of this device are called."""
        self._reload(now_s)
        events = []
        for state in states:
            person = self._people.setdefault(state.person, _Person())
            self._people.move_to_end(state.person)
            self._follow(person, state)
            for rule in self._rules:
                if self._fires(rule, person, state, now_s):
                    events.append(self._event(rule.written, state, now_s))
        while len(self._people) > _KEEP:
            self._people.popitem(last=False)
        return events

    def _follow(self, person: _Person, state: PersonState) -> None:
        for rule in self._rules:
            for path, _ in rule.when.trends | (rule.until.trends if rule.until else frozenset()):
                person.courses.setdefault(path, _Course()).step(state.turn, read(state, path))

    def _fires(self, rule: _Rule, person: _Person, state: PersonState, now_s: float) -> bool:
        def trend(path: str, turns: int) -> str | None:
            return direction(person.courses[path].means(), turns)

        at = person.progress.setdefault(rule.written.name, _Progress())
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

    def _event(self, rule: _Written, state: PersonState, now_s: float) -> Event:
        arguments: dict[str, Value] = {}
        for name, value in rule.arguments.items():
            known = read(state, value.path) if isinstance(value, _From) else value
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
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._rules = _read(self._path)
        except ConfigError as error:
            self.error = str(error)
            log.warning("the changed rules are not used: %s", error)
            return
        self.error = None
        self._people.clear()
        log.info("rules taken up from %s", self._path)


def _stamp(path: Path | None) -> tuple[int, int] | None:
    try:
        stat = path.stat() if path is not None else None
    except OSError:
        return None
    return None if stat is None else (stat.st_mtime_ns, stat.st_size)


def _read(path: Path) -> list[_Rule]:
    try:
        content: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"no rules file at {path}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is no valid TOML: {error}") from error
    tables = content.pop("rule", [])
    if content or not isinstance(tables, list):
        raise ConfigError(f"{path}: only [[rule]] tables are known, not {', '.join(content) or 'rule = …'}")
    rules: list[_Rule] = []
    for number, table in enumerate(tables, 1):
        rule = _check(table, f"{path}, rule {number}")
        if any(rule.written.name == other.written.name for other in rules):
            raise ConfigError(f"{path}, rule {number}: the name '{rule.written.name}' is taken: choose another")
        rules.append(rule)
    return rules


def _one(text: str) -> _Rule:
    """The one rule in `text`, with or without its `[[rule]]` line."""
    try:
        content: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"the rule is no valid TOML: {error}") from error
    tables = content["rule"] if set(content) == {"rule"} else [content]
    if not isinstance(tables, list) or len(tables) != 1 or not isinstance(tables[0], dict):
        raise ConfigError("give exactly one [[rule]]")
    return _check(tables[0], "the rule")


def _check(table: Mapping[str, Any], where: str) -> _Rule:
    try:
        written = _Written.model_validate(table)
    except ValidationError as error:
        reasons = (f"{'.'.join(str(p) for p in one['loc'][:2])}: {one['msg'].lower()}" for one in error.errors())
        raise ConfigError(f"{where}: {'; '.join(dict.fromkeys(reasons))}") from error
    where = f"{where} ('{written.name}')"
    try:
        when = parse(written.when)
        until = None if written.until is None else parse(written.until)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error
    for name, value in written.arguments.items():
        if isinstance(value, _From) and value.path not in PATHS:
            raise ConfigError(f"{where}: argument '{name}': nothing is called '{value.path}': {suggest(value.path)}")
    return _Rule(written, when, until)
