"""Change a recording the way rooms, microphones, lines and other people do. Numpy alone, seeded.

Every function takes and gives mono float32 at 16 kHz. What a head hears in training decides where it
holds: a head that was trained clean loses half its recall at 10 dB of pink noise.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models.logmel import SAMPLE_RATE_HZ

Sound = npt.NDArray[np.float32]


def coloured_noise(samples: int, slope: float, rng: np.random.Generator) -> Sound:
    """Noise whose power falls with frequency to the power of `slope`: 0 white, 1 pink, 2 brown."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    hz = np.maximum(np.fft.rfftfreq(samples, 1.0 / SAMPLE_RATE_HZ), 20.0)
    return np.fft.irfft(spectrum * hz ** (-slope / 2.0), samples).astype(np.float32)


def babble(voices: Sequence[Sound], samples: int, rng: np.random.Generator) -> Sound:
    """Several voices at once, each looped from a random point and brought to the same power."""
    total = np.zeros(samples, dtype=np.float32)
    for voice in voices:
        start = int(rng.integers(len(voice)))
        looped = np.resize(np.roll(voice, -start), samples)
        total += looped / np.float32(_rms(looped) + 1e-9)
    return total


def add_at_snr(sound: Sound, noise: Sound, snr_db: float) -> Sound:
    """`sound` + `noise` scaled so that the ratio of their mean powers is `snr_db`."""
    gain = _rms(sound) / (_rms(noise) + 1e-12) * 10.0 ** (-snr_db / 20.0)
    return sound + noise * np.float32(gain)


def room(sound: Sound, rt60_s: float, direct_to_reverb_db: float, rng: np.random.Generator) -> Sound:
    """A synthetic room: the direct sound and a tail of noise that loses 60 dB in `rt60_s`."""
    length = max(int(rt60_s * SAMPLE_RATE_HZ), 64)
    t_s = np.arange(length) / SAMPLE_RATE_HZ
    tail = rng.standard_normal(length) * 10.0 ** (-3.0 * t_s / rt60_s)
    tail[: int(0.003 * SAMPLE_RATE_HZ)] = 0.0
    tail *= 10.0 ** (-direct_to_reverb_db / 20.0) / (np.sqrt((tail**2).sum()) + 1e-9)
    tail[0] = 1.0
    size = 1 << (len(sound) + length - 1).bit_length()
    wet = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(tail, size), size)
    return wet[: len(sound)].astype(np.float32)


def band(sound: Sound, low_hz: float, high_hz: float, tilt_db: float = 0.0) -> Sound:
    """Keep a band (a telephone, a cheap capsule), with soft edges and a tilt over the whole band."""
    hz = np.fft.rfftfreq(len(sound), 1.0 / SAMPLE_RATE_HZ)
    safe = np.maximum(hz, 1.0)
    gain = 1.0 / np.sqrt(1.0 + (low_hz / safe) ** 8) / np.sqrt(1.0 + (safe / high_hz) ** 16)
    gain *= 10.0 ** (tilt_db * np.log2(np.clip(safe, 100.0, 8000.0) / 900.0) / 6.0 / 20.0)
    return np.fft.irfft(np.fft.rfft(sound) * gain, len(sound)).astype(np.float32)


def speed(sound: Sound, factor: float) -> Sound:
    """Play faster (factor > 1) or slower: tempo and pitch change together."""
    length = int(len(sound) / factor)
    at = np.arange(length) * factor
    resampled: Sound = np.interp(at, np.arange(len(sound)), sound).astype(np.float32)
    return resampled


def to_level(sound: Sound, level_db: float) -> Sound:
    """Bring the mean power to `level_db` dBFS, and clip what exceeds full scale."""
    scaled = sound * np.float32(10.0 ** (level_db / 20.0) / (_rms(sound) + 1e-9))
    clipped: Sound = np.clip(scaled, -1.0, 1.0)
    return clipped


def disturb(sound: Sound, others: Sequence[Sound], rng: np.random.Generator, *, strength: float = 1.0) -> Sound:
    """A random chain of the above, as a product meets it. `others`: voices of other people."""
    if rng.random() < 0.4 * strength:
        sound = speed(sound, float(rng.uniform(0.92, 1.08)))
    if rng.random() < 0.4 * strength:
        sound = room(sound, float(rng.uniform(0.15, 0.9)), float(rng.uniform(-2.0, 12.0)), rng)
    kind = rng.random()
    if kind < 0.40 * strength:
        noise = coloured_noise(len(sound), float(rng.uniform(0.0, 2.0)), rng)
        sound = add_at_snr(sound, noise, float(rng.uniform(3.0, 30.0)))
    elif kind < 0.70 * strength and others:
        count = int(rng.integers(2, 8))
        picked = [others[int(rng.integers(len(others)))] for _ in range(count)]
        sound = add_at_snr(sound, babble(picked, len(sound), rng), float(rng.uniform(3.0, 25.0)))
    if rng.random() < 0.4 * strength:
        low_hz = float(rng.choice([20.0, 80.0, 150.0, 300.0]))
        high_hz = float(rng.uniform(3000.0, 8000.0))
        sound = band(sound, low_hz, high_hz, float(rng.uniform(-9.0, 9.0)))
    return to_level(sound, float(rng.uniform(-40.0, -14.0)))


def _rms(sound: Sound) -> float:
    return float(np.sqrt(np.mean(np.square(sound, dtype=np.float64))))


def as_it_is(index: int, sound: Sound) -> Sound:
    """No change."""
    return sound


class Disturbed:
    """View number `view` of a corpus: each clip with its own random disturbance, babble from other speakers."""

    def __init__(self, sounds: Sequence[Sound], speakers: Sequence[str], view: int) -> None:
        self._sounds, self._speakers, self._view = sounds, speakers, view

    def __call__(self, index: int, sound: Sound) -> Sound:
        """The clip `index`, disturbed."""
        rng = np.random.default_rng([7, self._view, index, len(self._sounds)])
        picked = [int(j) for j in rng.integers(len(self._sounds), size=30)]
        others = [self._sounds[j] for j in picked if self._speakers[j] != self._speakers[index]]
        return disturb(sound, others, rng)


class OtherVoice:
    """View number `view` of a corpus: each clip 5–20 % faster or slower, and so higher or lower: a throat of
    another length. Half of the clips go up, half down, and the other way round in the next view."""

    def __init__(self, view: int) -> None:
        self._view = view

    def __call__(self, index: int, sound: Sound) -> Sound:
        """The clip `index`, from another throat."""
        rng = np.random.default_rng([21, self._view, index])
        up = 1.0 if (index + self._view) % 2 else -1.0
        return speed(sound, float(np.exp(up * rng.uniform(0.25, 1.0) * np.log(1.2))))
