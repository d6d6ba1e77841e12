"""How wide the expression net's residual blocks are, and leaving out their weakest channels; arrays alone, no torch.

A state is what a net's checkpoint holds: name → array. A block's names begin as the block's: `BLOCK.first.0.weight`
(C, in, 3, 3) gives its C inner channels, a batch normalisation `BLOCK.first.1` follows, `BLOCK.second.0.weight`
(out, C, 3, 3) takes them up, and `BLOCK.second.1` normalises again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Widths = tuple[int, int, int]
SHIPPED: Widths = (40, 80, 64)
WIDE: Widths = (64, 128, 128)

Array = npt.NDArray[Any]
_INNER = ".first.0.weight"
_EPSILON = 1e-5  # of the batch normalisation
_PER_CHANNEL = ("0.weight", "1.weight", "1.bias", "1.running_mean", "1.running_var")


def blocks(names: Sequence[str]) -> list[str]:
    """The blocks whose weights have these names, from the input on."""
    return [name.removesuffix(_INNER) for name in names if name.endswith(_INNER)]


def widths(state: Mapping[str, Any]) -> Widths:
    """How wide the blocks of `state` are. Raises RuntimeError where it is of another kind of net."""
    found = blocks(list(state))
    if len(found) != len(SHIPPED):
        raise RuntimeError(f"{len(SHIPPED)} residual blocks are expected, here are {len(found)}")
    first, second, third = (len(state[f"{block}{_INNER}"]) for block in found)
    return first, second, third


def narrowed(state: Mapping[str, Array], power: Sequence[Array], inside: Widths) -> dict[str, Array]:
    """`state` with only `inside` channels left in each block: those that add most to it.

    What a channel adds is its mean square (`power`, per block (C,), over some pictures) times that of the weights which
    take it up. Raises ValueError where `state` has fewer channels.
    """
    left = dict(state)
    for block, strong, count in zip(blocks(list(state)), power, inside, strict=True):
        if count > len(strong):
            raise ValueError(f"a block of {len(strong)} channels cannot be narrowed to {count}")
        take = state[f"{block}.second.0.weight"]
        gain = state[f"{block}.second.1.weight"] / np.sqrt(state[f"{block}.second.1.running_var"] + _EPSILON)
        worth = strong * np.square(take * gain[:, None, None, None]).sum((0, 2, 3))
        kept = np.sort(np.argsort(-worth, kind="stable")[:count])
        for name in _PER_CHANNEL:
            left[f"{block}.first.{name}"] = state[f"{block}.first.{name}"][kept]
        left[f"{block}.second.0.weight"] = take[:, kept]
    return left
