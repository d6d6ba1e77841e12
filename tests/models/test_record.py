"""Records: what people write in TOML is taken exactly, or refused with the place and the reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from models.record import First, Invalid, Key, Matches, Record, Within


@dataclass(frozen=True, kw_only=True)
class Inner(Record):
    kind: Literal["inner"]
    share: Annotated[float, Within(0, 1)] = 0.5


@dataclass(frozen=True, kw_only=True)
class Other(Record):
    kind: Literal["other"]
    file: Path


@dataclass(frozen=True, kw_only=True)
class Outer(Record):
    name: Annotated[str, Matches(r"^[a-z]+\Z")]
    on: bool = False
    count: Annotated[int | None, Within(1, 8)] = None
    wait_s: Annotated[float, Key("for"), First(lambda value: 2.0 if value == "two" else value)] = 0.0
    parts: Annotated[list[Inner | Other], Within(0, 2)] = field(default_factory=list)
    loose: Mapping[str, bool | int | float | str] = field(default_factory=dict)
    rest: Mapping[str, Any] = field(default_factory=dict)


def test_what_fits_is_taken_as_it_was_meant() -> None:
    """Paths and nested records are made; a whole number stays one, and a choice of records goes by its kind."""
    parts = [{"kind": "inner", "share": 1}, {"kind": "other", "file": "a/b"}]
    read = Outer.read({"name": "x", "for": "two", "parts": parts, "loose": {"a": 1, "b": True, "c": 0.5}})
    assert read.parts == [Inner(kind="inner", share=1.0), Other(kind="other", file=Path("a/b"))]
    assert read.wait_s == 2.0
    assert [type(one) for one in read.loose.values()] == [int, bool, float]
    assert Outer.read(read.plain()) == read


@pytest.mark.parametrize(
    ("values", "where", "says"),
    [
        ({}, "name", "missing"),
        ({"name": "x", "nmae": 1}, "nmae", "there is count, for, loose, name"),
        ({"name": "X"}, "name", "match"),
        ({"name": "x\n"}, "name", "match"),
        ({"name": 1}, "name", "a text"),
        ({"name": "x", "on": 1}, "on", "true or false"),
        ({"name": "x", "on": "yes"}, "on", "true or false"),
        ({"name": "x", "count": True}, "count", "a whole number"),
        ({"name": "x", "count": 0}, "count", "at least 1"),
        ({"name": "x", "count": 9}, "count", "at most 8"),
        ({"name": "x", "count": 2.0}, "count", "a whole number"),
        ({"name": "x", "for": "three"}, "for", "a number"),
        ({"name": "x", "for": float("nan")}, "for", "a number"),
        ({"name": "x", "for": float("inf")}, "for", "a number"),
        ({"name": "x", "wait_s": 1.0}, "wait_s", "not known"),
        ({"name": "x", "parts": {}}, "parts", "a list"),
        ({"name": "x", "parts": [{"kind": "inner"}] * 3}, "parts", "at most 2 items"),
        ({"name": "x", "parts": [{"kind": "inner", "share": 2}]}, "parts.0.share", "at most 1"),
        ({"name": "x", "parts": [{"kind": "other"}]}, "parts.0.file", "missing"),
        ({"name": "x", "parts": [3]}, "parts.0", "a table"),
        ({"name": "x", "loose": {"a": []}}, "loose.a", "true or false or a whole number or a number or a text"),
        ({"name": "x", "loose": 3}, "loose", "a table"),
    ],
)
def test_what_does_not_fit_is_named_with_its_place(values: dict[str, Any], where: str, says: str) -> None:
    """No value is bent until it fits, and none is left out in silence."""
    with pytest.raises(Invalid) as caught:
        Outer.read(values)
    assert [one.key for one in caught.value.faults] == [where]
    assert says in caught.value.faults[0].says


def test_every_fault_is_told_at_once() -> None:
    """A file with two mistakes is mended in one go."""
    with pytest.raises(Invalid) as caught:
        Outer.read({"name": "x", "on": 3, "count": 0, "more": 1})
    assert sorted(one.key for one in caught.value.faults) == ["count", "more", "on"]


def test_a_record_made_in_python_is_checked_too() -> None:
    """There is no way around the limits."""
    with pytest.raises(Invalid, match="at most 1"):
        Inner(kind="inner", share=1.5)
