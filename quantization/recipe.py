"""What `mien quantize` shall do to one network, and what it may cost: `quantization/recipes/NAME.toml`."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.errors import ModelError

RECIPES = Path(__file__).parent / "recipes"


class RecipeError(ModelError):
    """A recipe that is not there, or cannot be read."""


class Refused(ModelError):  # noqa: N818
    """The quantized file loses more than its recipe allows, or is not worth it; the text says by which figure."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Gate(_Strict):
    """What the quantized file must keep. Losses are shares (0.01 is one point); a negative loss is a gain.

    `error`: root mean square of the outputs' change, as a share of their spread. `agreement`: samples whose largest
    output stays the same. `accuracy_loss`, `uar_loss`: with labels only. `point_error`: mean distance that points move,
    as a share of the set's width, for networks that give landmarks. `size`, `time`: at most this share of the float
    file's bytes and CPU time.
    """

    error: float | None = None
    agreement: Annotated[float, Field(ge=0, le=1)] | None = None
    accuracy_loss: float | None = None
    uar_loss: float | None = None
    point_error: float | None = None
    size: Annotated[float, Field(gt=0, le=1)] = 1.0
    time: Annotated[float, Field(gt=0)] | None = 1.0


class Recipe(_Strict):
    """`scheme`: `static` (int8 inside, ranges from calibration samples), `dynamic` (int8 weights, ranges found while it
    runs; for linear layers), `fp16` (stored in half the bytes, computed in float). `operators`: the kinds of layer that
    become int8. `full_range`: 8 bits instead of 7; only for processors with VNNI or Arm, since AVX2 overflows unseen.
    `keep`: layers that stay float whatever happens. `output`: which one is judged. `points`: it holds
    points of so many numbers each.
    """

    scheme: Literal["static", "dynamic", "fp16"]
    operators: list[str] = ["Conv", "Gemm", "MatMul"]
    per_channel: bool = True
    full_range: bool = False
    ranges: Literal["minmax", "entropy", "percentile"] = "minmax"
    keep: list[str] = []
    mixed: bool = True  # give back to float, most sensitive first, what the gate needs
    output: int = 0
    points: int | None = None
    ort: bool = False  # also as an .ort file
    gate: Gate = Gate()


def load(name: str) -> Recipe:
    """Recipe `name` of this package, or the TOML file of that path. Raises RecipeError."""
    path = Path(name) if name.endswith(".toml") else RECIPES / f"{name}.toml"
    try:
        return Recipe.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        known = ", ".join(sorted(one.stem for one in RECIPES.glob("*.toml")))
        raise RecipeError(f"no recipe '{name}': there is {known}, or give a .toml file") from error
    except (tomllib.TOMLDecodeError, ValidationError, UnicodeDecodeError) as error:
        raise RecipeError(f"recipe {path.name} is malformed: {error}") from error
