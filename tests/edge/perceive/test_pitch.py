"""Pitch against tones whose pitch is known."""

import numpy as np
import pytest

from edge.perceive.pitch import PitchTracker
from tests.sounds import frames, harmonic


def pitch(sound: np.ndarray) -> np.ndarray:
    return PitchTracker().feed(sound)[1]


@pytest.mark.parametrize("hz", [65, 100, 150, 220, 330, 490])
def test_a_steady_tone_has_its_pitch(hz):
    """Within one percent over the whole range of voices, in every frame, the first one included."""
    found = pitch(harmonic(hz))
    assert np.isfinite(found).all()
    assert np.abs(found / hz - 1).max() < 0.01


def test_a_missing_fundamental_is_heard():
    """Telephones cut the fundamental: the period remains."""
    t = np.arange(16_000) / 16_000
    sound = sum(0.1 * np.sin(2 * np.pi * 120 * n * t) for n in range(3, 9)).astype(np.float32)
    assert np.nanmedian(pitch(sound)) == pytest.approx(120, rel=0.01)


def test_a_glide_is_followed():
    """An octave up in one second: each frame within a semitone of the truth."""
    truth = 110 * 2 ** (np.arange(16_000) / 16_000)
    found = pitch(harmonic(truth))
    at = truth[np.minimum((np.arange(len(found)) * 0.01 + 0.02) * 16_000, 15_999).astype(int)]
    assert np.nanmax(np.abs(12 * np.log2(found / at))) < 1


def test_noise_and_silence_have_no_pitch():
    """None, not zero, where nothing is voiced; noise 10 dB under a voice does no harm."""
    rng = np.random.default_rng(0)
    hiss = 0.1 * rng.standard_normal(16_000).astype(np.float32)
    assert np.isfinite(pitch(hiss)).mean() < 0.02
    assert not np.isfinite(pitch(np.zeros(16_000, dtype=np.float32))).any()
    voice = harmonic(180)
    noisy = voice + hiss * np.float32(voice.std() / hiss.std() / 10**0.5)
    assert np.nanmedian(pitch(noisy)) == pytest.approx(180, rel=0.01)


def test_level_is_dbfs():
    """A full-scale sine has -3 dBFS; half of it 6 dB less."""
    sine = np.sin(2 * np.pi * 200 * np.arange(16_000) / 16_000).astype(np.float32)
    assert np.median(PitchTracker().feed(sine)[0]) == pytest.approx(-3.0, abs=0.1)
    assert np.median(PitchTracker().feed(sine / 2)[0]) == pytest.approx(-9.0, abs=0.1)


def test_blocks_change_nothing():
    """A stream in blocks gives the levels of the whole."""
    sound = harmonic(140) * np.linspace(0.1, 1, 16_000, dtype=np.float32)
    tracker = PitchTracker()
    parts = [tracker.feed(frame.samples)[0] for frame in frames(sound, block=512)]
    np.testing.assert_allclose(np.concatenate(parts), PitchTracker().feed(sound)[0], atol=1e-9)
