"""The spectrogram is Whisper's, does not depend on how a stream is cut, and takes 16 kHz only."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.logmel import (
    BANDS,
    HOP,
    WINDOW,
    SampleRateError,
    check_rate,
    log_bands,
    log_mel,
    mel_filters,
    normalise,
)


def _sound(samples: int, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(samples) * 0.1).astype(np.float32)


def test_filters_are_slaneys() -> None:
    """Bands of equal area (Slaney's norm), the first few equally wide, all inside 0–8000 Hz."""
    filters = mel_filters()
    assert filters.shape == (201, 80)
    assert filters.max() == pytest.approx(0.02586, abs=2e-4)  # the peak of Whisper's own mel_filters.npz
    area_hz = filters.sum(axis=0) * 40.0
    np.testing.assert_allclose(area_hz[40:], 1.0, atol=0.1)
    assert filters[0].max() == 0.0


def test_a_pure_tone_falls_into_its_band() -> None:
    """1 kHz lies in the band whose Slaney mel edges hold 15 mel."""
    t_s = np.arange(16_000) / 16_000
    tone = np.sin(2 * np.pi * 1000 * t_s).astype(np.float32)
    band = int(log_bands(tone).mean(axis=0).argmax())
    centre_mel = (band + 1) * 45.245640471924965 / (BANDS + 1)
    assert centre_mel == pytest.approx(15.0, abs=0.6)


def test_silence_and_short_sound_have_a_value() -> None:
    """Digital silence sits on the floor; less than a window gives no frame."""
    assert np.all(log_bands(np.zeros(WINDOW, dtype=np.float32)) == -10.0)
    assert log_bands(np.zeros(WINDOW - 1, dtype=np.float32)).shape == (0, BANDS)
    assert log_mel(np.zeros(200, dtype=np.float32)).shape == (0, BANDS)
    assert log_mel(_sound(16_000)).shape == (100, BANDS)


def test_gain_moves_all_bands_alike() -> None:
    """Twenty decibels are two decades of power, in every cell."""
    sound = _sound(4000)
    np.testing.assert_allclose(log_bands(sound * 10) - log_bands(sound), 2.0, atol=1e-4)
    assert np.ptp(normalise(log_bands(sound))) <= 2.0


@settings(max_examples=25)
@given(st.integers(1, 20))
def test_a_stream_gives_the_frames_of_the_whole(pieces: int) -> None:
    """Frames depend on their own 400 samples alone."""
    sound = _sound(8000, pieces)
    whole = log_bands(sound)
    cut = pieces * HOP
    first, second = log_bands(sound[: cut + WINDOW - HOP]), log_bands(sound[cut:])
    np.testing.assert_allclose(np.concatenate([first, second]), whole, atol=1e-5)


def test_another_rate_is_refused() -> None:
    """No silent resampling."""
    check_rate(16_000)
    with pytest.raises(SampleRateError, match="44100 Hz"):
        check_rate(44_100)
