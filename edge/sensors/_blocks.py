"""Sound cut into blocks of 512 samples with a capture time each."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from edge.sensors.base import BLOCK
from edge.types import SAMPLE_RATE, AudioFrame

# Time stamps that run ahead of the sample count by more than this tell of a real gap; less is rounding and jitter.
_GAP_S = 0.1
# How far one `feed` of a live source may move its time towards the clock: a sound card's own clock drifts.
_SLEW_S = 0.0005


class Blocks:
    """Collects 16 kHz mono sound and gives it in blocks.

    Time runs by counting samples, and jumps only over gaps; `live`: it also follows the time stamps, slowly.
    """

    def __init__(self, source: str, *, live: bool = False) -> None:
        self._source = source
        self._slew_s = _SLEW_S if live else 0.0
        self._pending: npt.NDArray[np.float32] = np.zeros(0, np.float32)
        self._head_s: float | None = None  # capture time of the first pending sample
        self._seq = 0

    def feed(self, samples: npt.NDArray[np.float32], t_s: float) -> Iterator[AudioFrame]:
        """The blocks that `samples` (n,) complete. `t_s`: capture time of their first.

        The last block before a gap is filled up with silence. A time stamp that lies back is not believed.
        """
        if self._head_s is None:
            self._head_s = t_s
        ahead_s = t_s - self._head_s - len(self._pending) / SAMPLE_RATE
        self._head_s += min(max(ahead_s, -self._slew_s), self._slew_s)
        if ahead_s > _GAP_S:
            if len(self._pending):
                yield self._cut(np.pad(self._pending, (0, BLOCK - len(self._pending))))
            self._pending, self._head_s = self._pending[:0], t_s
        self._pending = np.concatenate([self._pending, samples])
        while len(self._pending) >= BLOCK:
            block, self._pending = self._pending[:BLOCK], self._pending[BLOCK:]
            yield self._cut(block)

    def flush(self) -> Iterator[AudioFrame]:
        """What is left, at the end: one short block, or none."""
        if len(self._pending):
            block, self._pending = self._pending, self._pending[:0]
            yield self._cut(block)

    def _cut(self, block: npt.NDArray[np.float32]) -> AudioFrame:
        assert self._head_s is not None
        frame = AudioFrame(self._source, self._seq, self._head_s, block)
        self._head_s, self._seq = frame.end_s, self._seq + 1
        return frame
