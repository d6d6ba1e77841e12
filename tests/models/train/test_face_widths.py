"""Leaving out a net's weakest channels: by what they add, worked out here anew."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from models.train import face_widths
from models.train.face_widths import Widths

Array = npt.NDArray[Any]

OUTER = 6
WIDE: Widths = (9, 12, 10)
NARROW: Widths = (4, 12, 3)
_EPSILON = 1e-5


def state(seed: int = 5) -> dict[str, Array]:
    """Three residual blocks, none of whose channels is idle, and a head that is none."""
    rng = np.random.default_rng(seed)
    made: dict[str, Array] = {}
    for block, inner in zip(("body.2", "body.4", "body.5"), WIDE, strict=True):
        made[f"{block}.first.0.weight"] = rng.normal(0, 0.3, (inner, OUTER, 3, 3)).astype(np.float32)
        made[f"{block}.second.0.weight"] = rng.normal(0, 0.3, (OUTER, inner, 3, 3)).astype(np.float32)
        for part, channels in (("first.1", inner), ("second.1", OUTER)):
            made[f"{block}.{part}.weight"] = rng.uniform(0.5, 2.0, channels).astype(np.float32)
            made[f"{block}.{part}.bias"] = rng.normal(0, 0.2, channels).astype(np.float32)
            made[f"{block}.{part}.running_mean"] = rng.normal(0, 0.2, channels).astype(np.float32)
            made[f"{block}.{part}.running_var"] = rng.uniform(0.2, 3.0, channels).astype(np.float32)
            made[f"{block}.{part}.num_batches_tracked"] = np.array(7)
    made["head.weight"] = rng.normal(0, 0.1, (8, OUTER)).astype(np.float32)
    return made


def convolved(x: Array, weight: Array) -> Array:
    """3×3, stride 1, padded by 1: (N, C, H, W) -> (N, O, H, W)."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))
    return np.einsum("nchwij,ocij->nohw", windows, weight)


def normalised(x: Array, of: dict[str, Array], name: str) -> Array:
    gain = of[f"{name}.weight"] / np.sqrt(of[f"{name}.running_var"] + _EPSILON)
    shift = of[f"{name}.bias"] - of[f"{name}.running_mean"] * gain
    return x * gain[:, None, None] + shift[:, None, None]


def run(of: dict[str, Array], x: Array) -> tuple[Array, list[Array]]:
    """What the blocks make of `x`, one after another, and each one's inner channels."""
    inner = []
    for block in ("body.2", "body.4", "body.5"):
        first = np.maximum(0, normalised(convolved(x, of[f"{block}.first.0.weight"]), of, f"{block}.first.1"))
        inner.append(first)
        x = np.maximum(0, x + normalised(convolved(first, of[f"{block}.second.0.weight"]), of, f"{block}.second.1"))
    return x, inner


def power(of: dict[str, Array], x: Array) -> list[Array]:
    return [np.square(one).mean((0, 2, 3)) for one in run(of, x)[1]]


X = np.random.default_rng(1).normal(0, 1, (3, OUTER, 5, 5)).astype(np.float32)


@pytest.mark.parametrize("seed", range(5))
def test_channels_that_add_nothing_are_the_ones_left_out(seed: int) -> None:
    """A narrowed net says what the wide one said, as long as its widths hold all that counts, wherever that lies."""
    wide = state(seed)
    rng = np.random.default_rng(seed)
    for block, inner, count in zip(("body.2", "body.4", "body.5"), WIDE, NARROW, strict=True):
        wide[f"{block}.second.0.weight"][:, rng.permutation(inner)[count:]] = 0.0
    narrow = face_widths.narrowed(wide, power(wide, X), NARROW)
    assert face_widths.widths(narrow) == NARROW
    assert np.allclose(run(narrow, X)[0], run(wide, X)[0], atol=1e-4)
    assert set(narrow) == set(wide)


def test_of_channels_that_all_add_something_the_weakest_goes() -> None:
    """Leaving out the one that was chosen changes less than leaving out any other of its block, on the mean."""
    wide = state()
    widths: Widths = (WIDE[0] - 1, WIDE[1], WIDE[2])
    kept = face_widths.narrowed(wide, power(wide, X), widths)["body.2.first.0.weight"]
    (left_out,) = [at for at, one in enumerate(wide["body.2.first.0.weight"]) if not (kept == one).all((1, 2, 3)).any()]
    inner = run(wide, X)[1][0]
    gain = wide["body.2.second.1.weight"] / np.sqrt(wide["body.2.second.1.running_var"] + _EPSILON)
    added = []
    for at in range(WIDE[0]):
        alone = convolved(inner[:, at : at + 1], wide["body.2.second.0.weight"][:, at : at + 1])
        added.append(float(np.square(alone * gain[:, None, None]).mean()))
    assert left_out in np.argsort(added)[:2]


def test_what_is_not_of_a_block_stays() -> None:
    """The head, the normalisation after a block, and the wide state itself."""
    wide = state()
    before = {name: value.copy() for name, value in wide.items()}
    narrow = face_widths.narrowed(wide, power(wide, X), NARROW)
    for name in ("head.weight", "body.2.second.1.weight", "body.5.second.1.running_var"):
        assert np.array_equal(narrow[name], wide[name])
    assert all(np.array_equal(wide[name], value) for name, value in before.items())


def test_a_net_cannot_be_narrowed_to_more_than_it_has() -> None:
    """Channels are left out, never made up."""
    wide = state()
    with pytest.raises(ValueError, match="a block of 12 channels cannot be narrowed to 13"):
        face_widths.narrowed(wide, power(wide, X), (9, 13, 10))


@pytest.mark.parametrize("blocks", [0, 2])
def test_the_state_of_another_net_is_refused(blocks: int) -> None:
    """Anything else would train from noise unseen."""
    names = [name for name in state() if not name.startswith(("body.2", "body.4", "body.5")[blocks:])]
    with pytest.raises(RuntimeError, match=f"3 residual blocks are expected, here are {blocks}"):
        face_widths.widths({name: state()[name] for name in names})
