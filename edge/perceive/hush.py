"""When a voice has died away: its level tells that some 50 ms before the speech detector, which lingers."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from edge.types import SAMPLE_RATE

_BELOW_DB = 25.0  # the loudest of late; in a louder room nothing is quiet, and the detector alone tells
_FORGETS_DB_S = 3.0  # by which the loudest is forgotten, each second
_MAYBE = 0.7  # probability of speech from which a quiet sound is speech all the same


class Hush:
    """Follows a stream, chunk by chunk; chosen so that gaps inside sentences are taken for it no more often than by the
    detector: 0.12 a second in synthesised and acted speech."""

    def __init__(self) -> None:
        self._loudest_db = -math.inf
        self._quiet_s = 0.0
        self._speech = False

    def feed(self, samples: npt.NDArray[np.float32], probability: float) -> None:
        """Hear the next chunk, float32 (n,), 16 kHz; the detector calls it speech with `probability`."""
        length_s = samples.size / SAMPLE_RATE
        level_db = 10 * math.log10(float(samples @ samples) / samples.size + 1e-10)
        self._loudest_db = max(self._loudest_db - _FORGETS_DB_S * length_s, level_db)
        self._quiet_s = self._quiet_s + length_s if level_db < self._loudest_db - _BELOW_DB else 0.0
        self._speech = probability >= _MAYBE

    @property
    def lasts_s(self) -> float:
        """Seconds for which it has been quiet; 0: it is not."""
        return 0.0 if self._speech else self._quiet_s
