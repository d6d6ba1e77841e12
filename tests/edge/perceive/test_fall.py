"""How far a voice came down at its end, on tones whose pitch is known."""

from __future__ import annotations

import numpy as np
import pytest

from edge.perceive.fall import fall_st
from edge.types import SAMPLE_RATE
from tests.sounds import Sound, harmonic


def spoken(*pitches_hz: float, each_s: float = 0.2, level: float = 0.1) -> Sound:
    """A buzz that goes through `pitches_hz`."""
    pitch_hz = np.repeat(pitches_hz, round(each_s * SAMPLE_RATE))
    return harmonic(pitch_hz, pitch_hz.size / SAMPLE_RATE, amplitude=level)


def test_it_is_how_far_the_end_lies_below_the_rest() -> None:
    """In semitones; a voice that rises at the end, as in a question, is below 0; a level one is 0."""
    assert fall_st(spoken(200, 200, 200, 150)) == pytest.approx(12 * np.log2(200 / 150), abs=0.3)
    assert fall_st(spoken(200, 200, 200, 260)) == pytest.approx(12 * np.log2(200 / 260), abs=0.3)
    assert fall_st(spoken(200, 200, 200, 200)) == pytest.approx(0, abs=0.1)


def test_the_silence_after_it_and_the_loudness_change_nothing() -> None:
    """The pause belongs to the sound that is judged, with the room's hum in it, far below the voice."""
    voice = spoken(200, 200, 200, 150)
    hum = spoken(100, each_s=0.3, level=0.0005)
    expected = fall_st(voice)
    assert fall_st(np.concatenate((voice, hum))) == pytest.approx(expected, abs=0.2)
    assert fall_st(0.05 * voice) == pytest.approx(expected, abs=0.2)


def test_without_voice_nothing_is_told() -> None:
    """Noise, silence, or a click has no pitch to come down."""
    noise = np.random.default_rng(1).normal(0, 0.1, SAMPLE_RATE).astype(np.float32)
    for sound in (noise, np.zeros(SAMPLE_RATE, np.float32), noise[:100], spoken(200, each_s=0.08)):
        assert fall_st(sound) is None
