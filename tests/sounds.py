"""Sounds for tests: real clips at 16 kHz, and tones whose truth is known."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from edge.types import SAMPLE_RATE, AudioFrame

Sound = npt.NDArray[np.float32]


def read(path: Path) -> Sound:
    """The sound of any media file, mono, 16 kHz."""
    parts = []
    with av.open(str(path)) as media:
        resampler = av.AudioResampler("flt", "mono", SAMPLE_RATE)
        for frame in media.decode(audio=0):
            parts += [one.to_ndarray()[0] for one in resampler.resample(frame)]
        parts += [one.to_ndarray()[0] for one in resampler.resample(None)]
    return np.concatenate(parts).astype(np.float32)


def speech_of(sound: Sound) -> Sound:
    """The part between the first and the last 25 ms that are within 26 dB of the loudest."""
    level = np.convolve(sound**2, np.full(400, 1 / 400), mode="same")
    loud = np.flatnonzero(level > level.max() / 400)
    return sound[loud[0] : loud[-1] + 1]


def frames(sound: Sound, *, block: int = 512, start_s: float = 0.0) -> list[AudioFrame]:
    """The sound as frames of `block` samples."""
    return [
        AudioFrame("test", n, start_s + at / SAMPLE_RATE, sound[at : at + block])
        for n, at in enumerate(range(0, len(sound), block))
    ]


def harmonic(hz: npt.ArrayLike, seconds: float = 1.0, *, amplitude: float = 0.1) -> Sound:
    """A buzz with eight harmonics; `hz` is a number or one value per sample."""
    steps = np.broadcast_to(np.asarray(hz, dtype=float), (int(seconds * SAMPLE_RATE),))
    phase = 2 * np.pi * np.cumsum(steps) / SAMPLE_RATE
    highest = float(np.max(steps))
    tones = [np.sin(n * phase) / n for n in range(1, 9) if n * highest < 7_500]
    return (amplitude * np.sum(tones, axis=0)).astype(np.float32)


def buzz(seconds: float, seed: int = 0) -> Sound:
    """A buzz with a moving pitch: something that the voice's encoder can hear."""
    t_s = np.arange(int(SAMPLE_RATE * seconds)) / SAMPLE_RATE
    return harmonic(150 + 50 * np.sin(2 * np.pi * (0.5 + seed) * t_s), seconds)
