"""How far a voice has come down at the end of what it said: most sentences end low, and a hesitation seldom does."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edge.perceive.pitch import HOP_S, PitchTracker
from edge.types import SAMPLE_RATE

_HEARD_S = 4.0
_END_S = 0.08  # of voice, that are called the end
_FEWEST = 11  # frames of voice
_SPAN_DB = 35.0  # below the loudest frame: what is quieter is the room
_DELAY = SAMPLE_RATE // 20  # samples of silence after the sound, so that the tracker tells its last frames


def fall_st(sound: npt.NDArray[np.float32]) -> float | None:
    """By how many semitones the last 80 ms of voice in `sound` lie below the median of its last 4 s. Negative: it rose.

    `sound`: float32, shape (n,), 16 kHz. None where there is too little voice to tell.
    """
    heard = sound[-int(_HEARD_S * SAMPLE_RATE) :]
    heard = np.concatenate((heard[heard.size % 2 :], np.zeros(_DELAY, np.float32)))
    level_db, pitch_hz = PitchTracker().feed(heard)
    if not level_db.size:
        return None
    voiced = np.flatnonzero(np.isfinite(pitch_hz) & (level_db > level_db.max() - _SPAN_DB))
    if voiced.size < _FEWEST:
        return None
    end = pitch_hz[voiced[voiced * HOP_S > voiced[-1] * HOP_S - _END_S]]
    return float(12 * np.log2(np.median(pitch_hz[voiced]) / np.median(end)))
