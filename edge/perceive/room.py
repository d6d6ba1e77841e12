"""Whether the room sounds as it did: what is as quiet as before can wait a moment."""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

_MEMORY = 64  # chunks (2 s) of which the quietest tell the room's own level
_LOUDER = 10 ** (2.0 / 10)  # power over the room's own: 2 dB, which even steady noise does not reach by chance


class Room:
    """Follows two levels, of the sound and of its upper frequencies, where a voice stands out of rumble; each against
    its own lowest of the last two seconds."""

    def __init__(self) -> None:
        self._levels: deque[tuple[float, float]] = deque(maxlen=_MEMORY)

    def as_before(self, samples: npt.NDArray[np.float32]) -> bool:
        """Whether the next chunk, float32 (n,), of always the same length, is no louder than the room."""
        steps = samples[1:] - samples[:-1]
        level, upper = float(samples @ samples), float(steps @ steps)
        self._levels.append((level, upper))
        room, upper_room = map(min, zip(*self._levels, strict=True))
        return level <= _LOUDER * room and upper <= _LOUDER * upper_room
