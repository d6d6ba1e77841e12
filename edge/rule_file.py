"""The file of awareness rules: what a rule may say, read and checked at once, with errors that name file and mend."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from edge.conditions import PATHS, Condition, parse, suggest
from edge.errors import ConfigError
from edge.files import read_toml
from edge.tools import base
from models.record import Fault, First, Invalid, Key, Matches, Record, Within


def _seconds(value: object) -> object:
    """`2s`, `500ms`, `1.5min` → seconds; numbers are seconds. Raises Invalid."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|min)\s*", value)
    if match is None:
        raise Invalid([Fault((), 'should be a number of seconds, or like "500ms", "10s" or "1.5min"', value)])
    return float(match[1]) * {"ms": 0.001, "s": 1.0, "min": 60.0}[match[2]]


_NAME = r"^[a-z][a-z0-9_]{0,47}\Z"
Seconds = Annotated[float, First(_seconds), Within(0, 3600)]


@dataclass(frozen=True, kw_only=True)
class From(Record):
    """An argument whose value stands in the state: `{ from = "PATH" }`."""

    path: Annotated[str, Key("from")]


@dataclass(frozen=True, kw_only=True)
class Written(Record):
    """A rule as the file has it."""

    name: Annotated[str, Matches(_NAME)]
    when: str
    until: str | None = None
    hold_s: Annotated[Seconds, Key("for")] = 0.0
    cooldown_s: Annotated[Seconds, Key("cooldown")] = 0.0
    priority: Literal["normal", "alert"] = "normal"
    call: Annotated[str | None, Matches(_NAME)] = None
    arguments: dict[str, bool | int | float | str | From] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as it was written, and its parsed conditions."""

    written: Written
    when: Condition
    until: Condition | None


def read_file(path: Path) -> list[Rule]:
    """All rules of a file. Raises ConfigError."""
    content = read_toml(path, "rules")
    tables = content.pop("rule", [])
    if content or not isinstance(tables, list):
        raise ConfigError(f"{path}: only [[rule]] tables are known, not {', '.join(content) or 'rule = …'}")
    rules: list[Rule] = []
    for number, table in enumerate(tables, 1):
        rule = _check(table, f"{path}, rule {number}")
        if any(rule.written.name == other.written.name for other in rules):
            raise ConfigError(f"{path}, rule {number}: the name '{rule.written.name}' is taken: choose another")
        rules.append(rule)
    return rules


def read_one(text: str) -> Rule:
    """The one rule in `text`, with or without its `[[rule]]` line. Raises ConfigError."""
    try:
        content: dict[str, Any] = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"the rule is no valid TOML: {error}") from error
    tables = content["rule"] if set(content) == {"rule"} else [content]
    if not isinstance(tables, list) or len(tables) != 1 or not isinstance(tables[0], dict):
        raise ConfigError("give exactly one [[rule]]")
    return _check(tables[0], "the rule")


def _check(table: Mapping[str, Any], where: str) -> Rule:
    try:
        written = Written.read(table)
    except Invalid as error:
        reasons = (f"{one.key} {one.says}" for one in error.faults)
        raise ConfigError(f"{where}: {'; '.join(dict.fromkeys(reasons))}") from error
    where = f"{where} ('{written.name}')"
    try:
        condition, hold_s = _with_hold(written.when)
        if hold_s is not None:
            if "for" in table:
                raise ConfigError(
                    f"condition '{written.when}' says how long it must hold, and so does `for`: say it once"
                )
            written = replace(written, hold_s=hold_s)
        when = parse(condition)
        until = None if written.until is None else parse(written.until)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error
    for name, value in written.arguments.items():
        if name == "call" or not re.fullmatch(_NAME, name):
            raise ConfigError(
                f"{where}: no argument can be called '{name}': use small letters, digits and _, not 'call'"
            )
        if isinstance(value, From) and value.path not in PATHS:
            raise ConfigError(f"{where}: argument '{name}': nothing is called '{value.path}': {suggest(value.path)}")
    if written.call is not None:
        try:
            base.check(written.call, {name: _kind(value) for name, value in written.arguments.items()})
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from error
    return Rule(written, when, until)


def _with_hold(when: str) -> tuple[str, float | None]:
    """`X for 2s` → X and 2; without a time at its end as it is, and None. Raises ConfigError."""
    condition, word, time = when.rpartition(" for ")
    if not word or "'" in time:
        return when, None
    try:
        hold_s = Written.read({"name": "a", "when": condition, "for": time}).hold_s
    except Invalid as error:
        raise ConfigError(f"condition '{when}': 'for' {error.faults[0].says}") from error
    return condition, hold_s


def _kind(value: bool | float | str | From) -> str:
    if isinstance(value, From):
        return PATHS[value.path]
    return "flag" if isinstance(value, bool) else "text" if isinstance(value, str) else "number"
