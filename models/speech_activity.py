"""Speech activity: the probability that 32 ms of sound hold speech (Silero 6.2, rebuilt; on ONNX Runtime)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.errors import InputError
from models.session import open_model

CHUNK = 512  # samples, 32 ms at 16 kHz
_CONTEXT = 64  # samples of the chunk before, which the network sees again


class SpeechActivityNet:
    """One stream's network: it remembers, so a second stream needs its own instance or `reset()`."""

    def __init__(self) -> None:
        """Raises ModelError where the model is missing or the runtime is not installed."""
        self._net = open_model("speech_activity")
        self.reset()

    def reset(self) -> None:
        """Forget what was heard."""
        self._state = np.zeros((2, 1, 128), dtype=np.float32)
        self._context = np.zeros(_CONTEXT, dtype=np.float32)

    def probability(self, chunk: npt.NDArray[np.float32]) -> float:
        """Probability of speech, 0–1, in the next `chunk`: float32, shape (512,), 16 kHz, in [-1, 1].

        Raises InputError where the shape is another.
        """
        if chunk.shape != (CHUNK,):
            raise InputError(f"speech activity takes chunks of {CHUNK} samples at 16 kHz, this one is {chunk.shape}")
        seen = np.concatenate((self._context, chunk)).astype(np.float32, copy=False)
        probability, self._state = self._net.run(seen[None], self._state)
        self._context = seen[-_CONTEXT:]
        return float(probability[0, 0])
