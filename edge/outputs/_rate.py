"""16-bit mono sound from one sample rate to another, by FFmpeg's swresample."""

from __future__ import annotations

import numpy as np


class Rate:
    """A stream's converter to `rate` Hz. Keeps the filter's tail between calls at one rate."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._from = rate
        self._swr: object | None = None

    def convert(self, audio: bytes, sample_rate: int) -> bytes:
        """`audio` at `sample_rate` Hz → the same at `rate` Hz."""
        if sample_rate == self.rate:
            return audio
        import av  # only where a device or file cannot take the sound as it comes

        if self._swr is None or sample_rate != self._from:
            self._swr, self._from = av.AudioResampler(format="s16", layout="mono", rate=self.rate), sample_rate
        frame = av.AudioFrame.from_ndarray(np.frombuffer(audio, np.int16)[None], format="s16", layout="mono")
        frame.sample_rate = sample_rate
        assert isinstance(self._swr, av.AudioResampler)
        return b"".join(part.to_ndarray().tobytes() for part in self._swr.resample(frame))
