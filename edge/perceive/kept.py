"""The newest sound of a stream, kept as long as somebody may still ask for it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edge.perceive.speech import GAP_S, Chunk
from edge.types import SAMPLE_RATE

Sound = npt.NDArray[np.float32]


class KeptSound:
    """Chunks without a gap between them, by their times. The caller forgets what is no longer needed.

    `end_s`: the time at which the newest ends.
    """

    def __init__(self) -> None:
        self._sound: list[Sound] = []
        self._samples = 0  # in it
        self.end_s = 0.0

    def add(self, chunk: Chunk) -> bool:
        """Keep `chunk`. False where sound was lost before it: then what was kept is forgotten, not joined to it."""
        follows = self.precedes(chunk)
        if not follows:
            self._sound, self._samples = [], 0
        self._sound.append(chunk.samples)
        self._samples += chunk.samples.size
        self.end_s = chunk.end_s
        return follows

    def precedes(self, chunk: Chunk) -> bool:
        """Whether no sound was lost between what is kept and `chunk`."""
        return abs(chunk.t_s - self.end_s) <= GAP_S

    @property
    def start_s(self) -> float:
        """Begin of what is kept; counted from its end, for a microphone's clock trembles."""
        return self.end_s - self._samples / SAMPLE_RATE

    def forget_before(self, t_s: float) -> None:
        """Forget the chunks that end by `t_s`."""
        while self._sound and self.start_s + self._sound[0].size / SAMPLE_RATE <= t_s:
            self._samples -= self._sound.pop(0).size

    def cut(self, start_s: float, end_s: float) -> Sound:
        """What is kept between two times: float32, shape (n,)."""
        first = max(0, round((start_s - self.start_s) * SAMPLE_RATE))
        last = max(first, round((end_s - self.start_s) * SAMPLE_RATE))
        return np.concatenate(self._sound)[first:last] if self._sound else np.zeros(0, dtype=np.float32)
