"""Prosody against voices whose rate, glide and level are known."""

import numpy as np
import pytest

from edge.perceive.prosody import ProsodyReader, nuclei
from edge.perceive.speech import SpeechGate
from edge.types import Prosody
from tests.sounds import frames, harmonic


class Loud:
    """Speech is what is loud: the truth of a synthetic voice."""

    def probability(self, chunk: np.ndarray) -> float:
        return 0.9 if np.abs(chunk).max() > 0.01 else 0.0

    def reset(self) -> None:
        pass


def read(sound: np.ndarray) -> list[Prosody]:
    gate, reader = SpeechGate(Loud()), ProsodyReader()
    chunks = [chunk for frame in frames(sound) for chunk in gate.feed(frame)]
    return [found for chunk in chunks if (found := reader.feed(chunk)) is not None]


def syllables(rate_hz: float, seconds: float, hz: float = 150) -> np.ndarray:
    """A voice that swells and fades `rate_hz` times a second, by 20 dB."""
    t = np.arange(int(seconds * 16_000)) / 16_000
    swell = 10 ** (-(1 + np.cos(2 * np.pi * rate_hz * t)) / 2)
    return harmonic(hz, seconds, amplitude=0.3) * swell.astype(np.float32)


@pytest.mark.parametrize("rate_hz", [2.0, 4.0, 6.0])
def test_rate_counts_syllables(rate_hz):
    """Swells of 20 dB are counted as syllable nuclei, within one of the truth."""
    found = read(syllables(rate_hz, 3.2))[-1]
    assert abs(found.rate_hz - rate_hz) * found.window_s <= 1.01


def test_pitch_and_slope_in_semitones():
    """An octave down in three seconds is a slope of -4 semitones a second around its middle pitch."""
    hz = 240 * 2 ** (-np.arange(48_000) / 48_000)
    found = read(harmonic(hz, 3.0))[-1]
    assert found.pitch_slope_st_s == pytest.approx(-4.0, abs=0.1)
    assert found.pitch_hz == pytest.approx(240 * 2**-0.5, rel=0.08)
    assert found.pitch_range_st == pytest.approx(0.8 * 4 * found.window_s, abs=0.5)


def test_level_and_voicing():
    """Twice as loud is 6 dB more; whispered (noise) speech has no pitch, and that is None, not zero."""
    voice = syllables(4, 2.0)
    assert read(voice)[-1].energy_db - read(voice / 2)[-1].energy_db == pytest.approx(6.02, abs=0.1)
    hiss = 0.1 * np.random.default_rng(0).standard_normal(32_000).astype(np.float32)
    found = read(hiss)[-1]
    assert found.pitch_hz is None
    assert found.pitch_slope_st_s is None
    assert found.rate_hz is None
    assert found.voiced_fraction < 0.05


def test_pauses_are_a_share_of_the_window():
    """A second of silence between two seconds of speech is a third of the whole."""
    voice = syllables(4, 1.0)
    found = read(np.concatenate((voice, np.zeros(16_000, dtype=np.float32), voice)))[-1]
    assert found.pause_fraction == pytest.approx(1 / 3, abs=0.07)


def test_pauses_shorter_than_a_batch_count():
    """Each chunk's own judgement holds for its own frames: 64 ms of silence in every quarter second are a quarter."""
    sound = syllables(4, 3.072).reshape(-1, 8 * 512)  # eight chunks of 32 ms
    sound[:, 5 * 512 : 7 * 512] = 0.0
    assert read(sound.ravel())[-1].pause_fraction == pytest.approx(0.25, abs=0.03)


def test_silence_says_nothing():
    """No speech, no observation; and little speech carries none either."""
    assert read(np.zeros(48_000, dtype=np.float32)) == []
    assert read(np.concatenate((syllables(4, 0.25), np.zeros(48_000, dtype=np.float32)))) == []


def test_a_flat_level_without_voice_has_no_nuclei():
    """Unvoiced peaks are no syllables."""
    level = 10 * np.sin(np.arange(100) / 3)
    assert nuclei(level, np.zeros(100, dtype=bool)) == 0
    assert nuclei(level, np.ones(100, dtype=bool)) == 5
