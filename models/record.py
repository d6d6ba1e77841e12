"""Frozen dataclasses that check what they are made of: for settings, rules and cards, which people write in TOML.

No validation library, for this is loaded on the smallest board, where such a one takes 14 MB.

    @dataclass(frozen=True, kw_only=True)
    class Section(Record):
        people: Annotated[int, Within(1, 8)] = 3

    Section.read({"peple": 2})  # Invalid: where ("peple",), unknown
"""

from __future__ import annotations

import math
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, Self, Union

Where = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """One wrong value. `where`: keys and indices that lead to it; `says`: what it should be; `unknown`: no such key."""

    where: Where
    says: str
    value: object = None
    unknown: bool = False

    @property
    def key(self) -> str:
        """`where` as one dotted name."""
        return ".".join(map(str, self.where))


class _Choice(Fault):
    """None of the values that there are."""


class Invalid(ValueError):  # noqa: N818
    """Values that a record does not take; `faults` holds every one of them."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = faults
        super().__init__("; ".join(f"{one.key} {one.says} (it is {one.value!r})" for one in faults))


@dataclass(frozen=True, slots=True)
class Within:
    """In `Annotated[…]`: a number from `least` to `most`, or a list of so many items."""

    least: float = -math.inf
    most: float = math.inf

    def __call__(self, value: Any) -> str | None:
        """What is wrong with `value`, or None."""
        count, things = (len(value), " items") if isinstance(value, list) else (value, "")
        if count < self.least:
            return f"should be at least {self.least:g}{things}"
        return f"should be at most {self.most:g}{things}" if count > self.most else None


@dataclass(frozen=True, slots=True)
class Matches:
    """In `Annotated[…]`: a text that `pattern` finds something in."""

    pattern: str

    def __call__(self, value: Any) -> str | None:
        """What is wrong with `value`, or None."""
        return None if re.search(self.pattern, value) else f"should match {self.pattern}"


@dataclass(frozen=True, slots=True)
class Key:
    """In `Annotated[…]`: the field's name where it is written, if it is no name in Python."""

    name: str


@dataclass(frozen=True, slots=True)
class First:
    """In `Annotated[…]`: what is done to the written value before it is checked."""

    turn: Callable[[object], object]


class Record:
    """What such a dataclass inherits; it must be frozen and take keywords only.

    Types: bool, int, float (finite), str, Path (also from a str), Literal, list, dict and Mapping of such with keys of
    str, other records (also from a mapping), unions of these, Any. No value is turned into another type, but an int
    into a float. Making one raises Invalid.
    """

    def __post_init__(self) -> None:
        faults: list[Fault] = []
        for name, _, hint in _layout(type(self)):
            try:
                object.__setattr__(self, name, _checked(hint, getattr(self, name)))
            except Invalid as error:
                faults += _inside(name, error)
        if faults:
            raise Invalid(faults)

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Self:
        """The record that `values` describe, by the written names. Raises Invalid."""
        layout = {key: (name, hint) for name, key, hint in _layout(cls)}
        faults = [
            Fault((key,), f"is not known: there is {', '.join(sorted(layout))}", value, unknown=True)
            for key, value in values.items()
            if key not in layout
        ]
        needed = {one.name for one in fields(cls) if one.default is MISSING and one.default_factory is MISSING}  # type: ignore[arg-type]
        found: dict[str, Any] = {}
        for key, (name, hint) in layout.items():
            if key not in values:
                faults += [Fault((key,), "is missing")] if name in needed else []
                continue
            try:
                found[name] = _checked(hint, values[key])
            except Invalid as error:
                faults += _inside(key, error)
        if faults:
            raise Invalid(faults)
        return cls(**found)

    def plain(self) -> dict[str, Any]:
        """What `read` makes an equal record of."""
        return {key: _plain(getattr(self, name)) for name, key, _ in _layout(type(self))}


_LAYOUTS: dict[type, list[tuple[str, str, Any]]] = {}


def _layout(cls: type[Record]) -> list[tuple[str, str, Any]]:
    """Per field its name, its name where it is written, and its type."""
    if cls not in _LAYOUTS:
        found = []
        for name, hint in typing.get_type_hints(cls, include_extras=True).items():
            extras = getattr(hint, "__metadata__", ())
            found.append((name, next((one.name for one in extras if isinstance(one, Key)), name), hint))
        _LAYOUTS[cls] = found
    return _LAYOUTS[cls]


def _inside(at: str | int, error: Invalid) -> list[Fault]:
    return [replace(one, where=(at, *one.where)) for one in error.faults]


def _plain(value: Any) -> Any:
    if isinstance(value, Record):
        return value.plain()
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def _wrong(says: str, value: object) -> Invalid:
    return Invalid([Fault((), says, value)])


_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", type(None): "nothing"}


def _checked(hint: Any, value: Any) -> Any:
    """`value` as `hint` wants it. Raises Invalid."""
    origin = typing.get_origin(hint)
    if origin is typing.Annotated:
        return _limited(hint, value)
    if origin in (Union, types.UnionType):
        return _one_of(typing.get_args(hint), value)
    if origin is Literal:
        if not any(type(value) is type(one) and value == one for one in typing.get_args(hint)):
            raise Invalid([_Choice((), f"should be one of {', '.join(map(repr, typing.get_args(hint)))}", value)])
        return value
    if origin is list:
        return _items(hint, value)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _entries(hint, value)
    if hint is Any:
        return value
    return _simple(hint, value)


def _limited(hint: Any, value: Any) -> Any:
    for extra in hint.__metadata__:
        if isinstance(extra, First):
            value = extra.turn(value)
    value = _checked(hint.__origin__, value)
    for extra in hint.__metadata__:
        if isinstance(extra, Within | Matches) and value is not None and (says := extra(value)):
            raise _wrong(says, value)
    return value


def _one_of(hints: tuple[Any, ...], value: Any) -> Any:
    errors: list[Invalid] = []
    for hint in sorted(hints, key=lambda one: one is not type(value)):  # 1 stays a whole number, though it fits a float
        try:
            return _checked(hint, value)
        except Invalid as error:
            errors.append(error)
    within = [error for error in errors if any(one.where for one in error.faults)]  # wrong inside: a record was meant
    if within:  # if several could be, then the one of this kind
        raise min(within, key=lambda error: (any(isinstance(one, _Choice) for one in error.faults), len(error.faults)))
    says = [one.says.removeprefix("should be ") for error in errors for one in error.faults]
    raise _wrong(f"should be {' or '.join(dict.fromkeys(one for one in says if one != 'nothing'))}", value)


def _items(hint: Any, value: Any) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise _wrong("should be a list", value)
    (inner,) = typing.get_args(hint)
    return list(_each(inner, enumerate(value)))


def _entries(hint: Any, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise _wrong("should be a table", value)
    _, inner = typing.get_args(hint)
    return dict(zip(value, _each(inner, value.items()), strict=True))


def _each(hint: Any, items: Any) -> Iterator[Any]:
    found, faults = [], []
    for at, one in items:
        try:
            found.append(_checked(hint, one))
        except Invalid as error:
            faults += _inside(at, error)
    if faults:
        raise Invalid(faults)
    return iter(found)


def _simple(hint: Any, value: Any) -> Any:
    if hint is float and type(value) in (int, float) and math.isfinite(value):
        return float(value)
    if hint is Path and isinstance(value, str):
        return Path(value)
    if isinstance(hint, type) and issubclass(hint, Record):
        if isinstance(value, Mapping):
            return hint.read(value)
        says = "should be a table"
    else:
        says = f"should be {_NAMES.get(hint, 'a path')}"
    if isinstance(value, hint) and not (isinstance(value, bool) and hint is not bool) and hint is not float:
        return value
    raise _wrong(says, value)
