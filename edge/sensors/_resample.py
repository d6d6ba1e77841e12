"""Any rate and channel count → 16 kHz mono, by FFmpeg's swresample (band-limited, never by skipping samples)."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
import numpy.typing as npt

from edge.types import SAMPLE_RATE

Samples = npt.NDArray[np.float32]

# swresample mixes surround sound to two channels as L + C/√2 + Ls/√2 (ITU-R BS.775), which may exceed full scale.
_SURROUND_GAIN = 1 / (1 + 2**0.5)

# Of one channel at SAMPLE_RATE these need no filter and no mixing: swresample would give the same numbers, slowly.
_AS_WANTED = ("s16", "s16p")

_NOTHING: Samples = np.zeros(0, np.float32)


class Resampler:
    """Turns decoded sound into 16 kHz mono. Keeps the filter's tail between calls; `flush` gives it at the end."""

    def __init__(self) -> None:
        self._swr: av.AudioResampler | None = None
        self._shape: tuple[Any, ...] = ()
        self._gain = 1.0

    def feed(self, frame: av.AudioFrame) -> Samples:
        """Samples (m,) float32 in [-1, 1] that `frame` completes. The format may change between two frames."""
        if frame.layout.nb_channels == 1 and frame.sample_rate == SAMPLE_RATE and frame.format.name in _AS_WANTED:
            mono = np.frombuffer(frame.planes[0], np.int16, frame.samples) * np.float32(1 / 32_768)
            return mono if self._swr is None else np.concatenate([self.flush(), mono])
        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        rest = _NOTHING
        if shape != self._shape:
            rest = self.flush()
            # swresample's own mono mix lets two equal channels exceed 1, so it mixes to two, and the mean makes mono.
            layout = "mono" if frame.layout.nb_channels == 1 else "stereo"
            self._swr = av.AudioResampler(format="fltp", layout=layout, rate=SAMPLE_RATE)
            self._shape = shape
            self._gain = _SURROUND_GAIN if frame.layout.nb_channels > 2 else 1.0
        assert self._swr is not None
        frame.pts = None  # time is kept by counting samples; swresample must not fill or cut by its own idea of it
        return np.concatenate([rest, *map(self._mono, self._swr.resample(frame))])

    def feed_array(self, samples: npt.NDArray[np.float32], rate: int) -> Samples:
        """The same for an array (n, channels) at `rate` Hz."""
        layout = {1: "mono", 2: "stereo"}.get(samples.shape[1])
        if layout is None:
            samples, layout = samples.mean(axis=1, keepdims=True), "mono"
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T), format="fltp", layout=layout)
        frame.sample_rate = rate
        return self.feed(frame)

    def flush(self) -> Samples:
        """The filter's tail; afterwards the resampler is as new."""
        if self._swr is None:
            return _NOTHING
        tail = [self._mono(part) for part in self._swr.resample(None)]
        self._swr, self._shape = None, ()
        return np.concatenate([_NOTHING, *tail])

    def _mono(self, frame: av.AudioFrame) -> Samples:
        mono: Samples = frame.to_ndarray().mean(axis=0, dtype=np.float32) * np.float32(self._gain)
        return np.clip(np.nan_to_num(mono), -1.0, 1.0)
