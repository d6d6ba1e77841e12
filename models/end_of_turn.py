"""End of turn: has the speaker finished, or only paused? (smart-turn v3.2 on ONNX Runtime)

The network hears the last 8 s of the turn, up to and with the pause (about 0.2 s of it), as Whisper's log-mel picture
of the sound scaled to zero mean and unit variance. It was trained with silence in front of turns that are shorter;
2 s of that are computed, for more costs time and changes little.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.logmel import HOP, SAMPLE_RATE_HZ, log_mel
from models.session import give_back_memory, open_model

LISTENS_S = 8.0
_SAMPLES = int(LISTENS_S * SAMPLE_RATE_HZ)
_FRONT_S = 2.0
_STEP = 2 * HOP  # samples per frame of the network, 20 ms


class EndOfTurnNet:
    """The network, without memory of its own."""

    def __init__(self) -> None:
        """Raises ModelError where the model is missing or the runtime is not installed."""
        self._net = open_model("end_of_turn")

    def probability(self, turn: npt.NDArray[np.float32]) -> float:
        """Probability, 0–1, that the turn is over; only the last 8 s are heard.

        `turn`: float32, shape (n,), mono, 16 kHz; it begins ≤ 0.5 s before the speech and ends in the pause.
        """
        heard = np.zeros(_SAMPLES, dtype=np.float32)  # a shorter turn is padded in front
        tail = turn[-_SAMPLES:]
        heard[_SAMPLES - tail.size :] = tail
        heard = (heard - heard.mean()) / np.sqrt(heard.var() + np.float32(1e-7))
        frames = min(_SAMPLES, tail.size + int(_FRONT_S * SAMPLE_RATE_HZ)) // _STEP * 2
        picture = log_mel(heard)[-frames:].T[None]  # (1, 80, frames)
        probability = float(self._net.run(np.ascontiguousarray(picture))[0][0, 0])
        give_back_memory()  # this pass is the largest of all, and rare
        return probability
