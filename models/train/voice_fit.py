"""Softmax regression and calibration in numpy: all that a head on good features needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Index = npt.NDArray[np.int64]

EPOCHS = 12
_BATCH = 256
_RATE = 5e-4
_WARM = 0.1


@dataclass(frozen=True, slots=True)
class Linear:
    """x @ weight + bias → logits."""

    weight: Array  # (inputs, classes)
    bias: Array  # (classes,)

    def __call__(self, x: Array) -> Array:
        """Logits (n, classes) of rows (n, inputs)."""
        logits: Array = x @ self.weight + self.bias
        return logits


@dataclass(frozen=True, slots=True)
class Scaler:
    """Brings each input to mean 0 and spread 1."""

    mean: Array
    scale: Array

    @classmethod
    def fit(cls, x: Array) -> Scaler:
        """Mean and spread of the rows of `x` (n, inputs)."""
        return cls(x.mean(axis=0), 1.0 / (x.std(axis=0) + np.float32(1e-3)))

    def __call__(self, x: npt.NDArray[np.floating]) -> Array:
        """The rows, scaled."""
        scaled: Array = (x.astype(np.float32) - self.mean) * self.scale
        return scaled


def fit(
    x: Array, y: Index, weight: Array, classes: int, *, shrink: float, smooth: float = 0.1, seed: int = 0,
    epochs: int = EPOCHS,
) -> Linear:  # fmt: skip
    """Weighted softmax regression by Adam with a rising and falling rate, from zero.

    `shrink`: weight of the squared norm; features are many and speakers few, so it is large. `smooth`: share of a
    label that is spread over all classes.
    """
    rng = np.random.default_rng(seed)
    w = np.zeros((x.shape[1], classes), dtype=np.float32)
    b = np.zeros(classes, dtype=np.float32)
    moments = [np.zeros_like(w), np.zeros_like(w), np.zeros_like(b), np.zeros_like(b)]
    weight = weight / weight.mean()
    target = np.full((len(y), classes), smooth / classes, dtype=np.float32)
    target[np.arange(len(y)), y] += 1.0 - smooth
    size = min(_BATCH, len(x))
    steps = epochs * (len(x) // size)
    step = 0
    for _ in range(epochs):
        order = rng.permutation(len(x))
        for start in range(0, len(x) // size * size, size):
            rows = order[start : start + size]
            step += 1
            inputs = x[rows]
            error = (softmax(inputs @ w + b) - target[rows]) * (weight[rows, None] / size)
            rate = _RATE * _schedule(step / steps)
            for value, slope, mean, spread in (
                (w, inputs.T @ error + 2.0 * shrink * w, moments[0], moments[1]),
                (b, error.sum(axis=0), moments[2], moments[3]),
            ):
                np.add(mean, 0.1 * (slope - mean), out=mean)
                np.add(spread, 0.001 * (np.square(slope) - spread), out=spread)
                unbiased = np.sqrt(spread / (1.0 - 0.999**step)) + 1e-8
                np.subtract(value, rate / (1.0 - 0.9**step) * mean / unbiased, out=value, casting="same_kind")
    return Linear(w, b)


def balanced(y: Index, groups: npt.NDArray[np.str_], shares: dict[str, float]) -> Array:
    """Row weights: each group has its share, and inside it each class the same."""
    weight = np.zeros(len(y), dtype=np.float32)
    for group, share in shares.items():
        for label in np.unique(y[groups == group]):
            rows = (groups == group) & (y == label)
            weight[rows] = share / rows.sum()
    return weight


def temperature(logits: Array, y: Index) -> float:
    """The temperature at which softmax(logits / T) fits `y` best, each class weighing the same."""
    weight = 1.0 / np.bincount(y, minlength=logits.shape[1])[y]
    candidates = np.exp(np.linspace(np.log(0.2), np.log(5.0), 161))
    losses = [-(weight * np.log(softmax(logits / t)[np.arange(len(y)), y] + 1e-9)).sum() for t in candidates]
    return float(candidates[int(np.argmin(losses))])


def softmax(logits: Array) -> Array:
    """Row-wise."""
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probs: Array = raised / raised.sum(axis=-1, keepdims=True)
    return probs


def recall(y: Index, guess: Index) -> float:
    """Unweighted average recall, 0–1, over the classes present in `y`."""
    return float(np.mean([(guess[y == label] == label).mean() for label in np.unique(y)]))


def _schedule(done: float) -> float:
    return done / _WARM if done < _WARM else 0.5 * (1.0 + float(np.cos(np.pi * (done - _WARM) / (1.0 - _WARM))))
