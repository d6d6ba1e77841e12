"""Whether the room sounds as it did: what is as quiet as before can wait a moment."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

_MEMORY = 32  # chunks (1 s): the quietest of these and of as many before them tell the room's own level
_LOUDER = 10 ** (2.0 / 10)  # power over the room's own: 2 dB, which even steady noise does not reach by chance


class Room:
    """Follows two levels, of the sound and of its upper frequencies, where a voice stands out of rumble; each against
    its own lowest of the last one to two seconds."""

    def __init__(self) -> None:
        self._heard = 0
        self._lowest = self._lowest_before = math.inf, math.inf

    def as_before(self, samples: npt.NDArray[np.float32]) -> bool:
        """Whether the next chunk, float32 (n,), of always the same length, is no louder than the room."""
        steps = samples[1:] - samples[:-1]
        level, upper = float(samples @ samples), float(steps @ steps)
        if self._heard == _MEMORY:
            self._heard, self._lowest_before, self._lowest = 0, self._lowest, (math.inf, math.inf)
        self._heard += 1
        self._lowest = min(level, self._lowest[0]), min(upper, self._lowest[1])
        room, upper_room = map(min, self._lowest, self._lowest_before)
        return level <= _LOUDER * room and upper <= _LOUDER * upper_room
