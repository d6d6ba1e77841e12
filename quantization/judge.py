"""What a quantized network costs and gains against its float twin, on samples that calibration did not see."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.errors import InputError
from models.session import Session, open_session
from models.train.voice_fit import recall
from quantization.recipe import Gate, Recipe

Array = npt.NDArray[Any]
_ROUNDS = 5


@dataclass(frozen=True)
class Samples:
    """`inputs`: per input name, one row per sample; `labels`: (n,) class numbers, or None."""

    inputs: Mapping[str, Array]
    labels: Array | None

    @classmethod
    def read(cls, file: Path) -> Samples:
        """An `.npz` with an array per input name and, perhaps, `labels`. Raises InputError."""
        try:
            with np.load(file, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
        except (OSError, ValueError) as error:
            raise InputError(f"{file} is no .npz of samples: {error}") from error
        labels = arrays.pop("labels", None)
        lengths = {len(one) for one in (*arrays.values(), *([] if labels is None else [labels]))}
        if not arrays or len(lengths) != 1 or 0 in lengths:
            raise InputError(f"{file} needs one array per input, and as many labels: all with one row per sample")
        return cls(arrays, labels)

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def rows(self, names: tuple[str, ...]) -> list[tuple[Array, ...]]:
        """Per sample the arrays that the network takes, with a leading axis of one. Raises InputError."""
        if missing := set(names) - set(self.inputs):
            lacking, held = (", ".join(sorted(one)) for one in (missing, self.inputs))
            raise InputError(f"the samples lack the input {lacking}: they hold {held}")
        return [tuple(self.inputs[name][at : at + 1] for name in names) for at in range(len(self))]


def outputs(session: Session, samples: Samples, output: int) -> npt.NDArray[np.float64]:
    """Output number `output` for every sample, (n, values)."""
    found = [np.ravel(session.run(*row)[output]) for row in samples.rows(session.inputs)]
    return np.asarray(found, np.float64)


def judge(reference: Path, made: Path, samples: Samples, recipe: Recipe) -> dict[str, float]:
    """The figures that `Gate` speaks of; accuracy and UAR only with labels."""
    twins = open_session(reference), open_session(made)
    before, after = (outputs(one, samples, recipe.output) for one in twins)
    figures = {
        "size": made.stat().st_size / reference.stat().st_size,
        "time": _time_ratio(*twins, samples),
        "error": relative_error(before, after),
    }
    if recipe.points:
        was, now = (one.reshape(len(one), -1, recipe.points) for one in (before, after))
        width = np.ptp(was, axis=1).max(axis=1)
        figures["point_error"] = float((np.linalg.norm(was - now, axis=2).mean(axis=1) / width).mean())
    elif before.shape[1] > 1:
        figures["agreement"] = float((before.argmax(1) == after.argmax(1)).mean())
    if samples.labels is not None:
        for name, figure in (("accuracy", accuracy), ("uar", uar)):
            float_, int8 = (figure(one.argmax(1), samples.labels) for one in (before, after))
            figures |= {f"{name}_float": float_, name: int8, f"{name}_loss": float_ - int8}
    return figures


def relative_error(before: npt.NDArray[np.float64], after: npt.NDArray[np.float64]) -> float:
    """Root mean square of the change as a share of the spread of what was."""
    spread = float(np.sqrt(np.mean((before - before.mean(axis=0)) ** 2))) or float(np.abs(before).max()) or 1.0
    return float(np.sqrt(np.mean((before - after) ** 2))) / spread


def accuracy(said: Array, labels: Array) -> float:
    """Share of samples that are right."""
    return float((said == labels).mean())


def uar(said: Array, labels: Array) -> float:
    """Recall averaged over the classes that occur."""
    return recall(labels, said)


def refusals(figures: Mapping[str, float], gate: Gate) -> list[str]:
    """In what the gate is not content: one phrase each. A limit whose figure could not be measured refuses too, but
    those that need labels where there are none."""
    found = []
    for name, limit in gate.model_dump().items():
        if limit is None or (name in ("accuracy_loss", "uar_loss", "agreement") and name not in figures):
            continue
        value = figures.get(name)
        if value is None:
            found.append(f"{name} could not be measured")
        elif name == "agreement" and not value >= limit:  # not a number refuses, too
            found.append(f"{name} is {value:.4f}, at least {limit:g} is wanted")
        elif name != "agreement" and not value <= limit:
            found.append(f"{name} is {value:.4f}, at most {limit:g} is allowed")
    return found


def _time_ratio(reference: Session, made: Session, samples: Samples) -> float:
    """CPU time of `made` over `reference`; they take turns, so that both meet the same load."""
    rows = samples.rows(reference.inputs)[:200]
    ratios = []
    for _ in range(_ROUNDS):
        spent = []
        for session in (reference, made):
            began_s = time.process_time()
            for row in rows:
                session.run(*row)
            spent.append(time.process_time() - began_s)
        ratios.append(spent[1] / max(spent[0], 1e-9))
    return float(np.median(ratios))
