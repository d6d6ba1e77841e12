"""Sentences spoken by the bridge's own voice: the same sound in every run, for its worker draws from a fixed seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from benchmarks.reply_device import Samples, trimmed
from cloud_bridge import choose
from cloud_bridge.providers.base import Voice
from edge.types import SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class Spoken:
    """One sentence, float32 at 16 kHz, and its two parts around the gap between two words that is nearest its middle;
    all three without the silence before and after."""

    whole: Samples
    before: Samples
    after: Samples

    def hesitating(self, pause_s: float) -> Samples:
        """The sentence with so much silence between its parts."""
        return np.concatenate([self.before, np.zeros(round(pause_s * SAMPLE_RATE), np.float32), self.after])


async def spoken(sentences: Sequence[str]) -> list[Spoken]:
    """The sentences, one after the other; one that comes twice sounds another way. Raises ModelAbsent."""
    voice, _ = choose.voice("piper")
    assert voice is not None
    await voice.start()
    try:
        return [await _one(voice, sentence) for sentence in sentences]
    finally:
        await voice.close()


async def _one(voice: Voice, text: str) -> Spoken:
    pieces = [sound async for sound in voice.speak(text)]
    rate = pieces[0].sample_rate
    samples = np.frombuffer(b"".join(one.pcm for one in pieces), "<i2").astype(np.float32) * np.float32(0.5 / 32768)
    gaps = [one.at + one.length // 2 for one in pieces[0].visemes if one.shape == "sil"]
    gap = min(gaps, key=lambda at: abs(at - len(samples) // 2)) * SAMPLE_RATE // rate
    sound = _resampled(samples, rate)
    return Spoken(trimmed(sound), trimmed(sound[:gap]), trimmed(sound[gap:]))


def _resampled(samples: Samples, rate: int) -> Samples:
    """`samples` at 16 kHz: low-passed by a windowed sinc at the new band's edge, read at each new sample's time."""
    step = gcd(rate, SAMPLE_RATE)
    count = len(samples) * (SAMPLE_RATE // step) // (rate // step)
    at = np.arange(count) * (rate / SAMPLE_RATE)
    reach = 24
    padded = np.pad(samples, reach)
    first = np.floor(at).astype(np.int64)
    windows = sliding_window_view(padded, 2 * reach)[first + 1]
    offset = at[:, None] - (first[:, None] + np.arange(1 - reach, reach + 1)[None, :])
    band = min(1.0, SAMPLE_RATE / rate)
    kernel = band * np.sinc(band * offset) * np.cos(np.pi * offset / (2 * reach + 2)) ** 2
    return np.asarray((windows * kernel).sum(axis=1), dtype=np.float32)
