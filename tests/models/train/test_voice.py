"""The recipe's parts do what they say: noise at its SNR, heads that learn, temperatures that calibrate."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import InputError
from models.train.voice_augment import (
    OtherVoice,
    add_at_snr,
    babble,
    band,
    coloured_noise,
    disturb,
    room,
    speed,
    to_level,
)
from models.train.voice_data import clips, crop, data_folder, speech_part, two_seconds
from models.train.voice_fit import Scaler, balanced, fit, recall, softmax, temperature


def _tone(seconds: float = 1.0, hz: float = 200.0) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(int(16_000 * seconds)) / 16_000).astype(np.float32)


@settings(max_examples=20)
@given(st.floats(-5, 30), st.integers(0, 9))
def test_noise_has_the_snr_that_was_asked_for(snr_db: float, seed: int) -> None:
    """Measured on what was added."""
    sound = _tone()
    mixed = add_at_snr(sound, coloured_noise(16_000, 1.0, np.random.default_rng(seed)), snr_db)
    measured = 10 * np.log10(np.mean(sound**2) / np.mean((mixed - sound) ** 2))
    assert measured == pytest.approx(snr_db, abs=0.05)


def test_pink_noise_falls_by_three_decibels_per_octave() -> None:
    """Power in the octave bands is equal."""
    noise = coloured_noise(160_000, 1.0, np.random.default_rng(1))
    power, hz = np.abs(np.fft.rfft(noise)) ** 2, np.fft.rfftfreq(160_000, 1 / 16_000)
    octaves = [power[(hz >= low) & (hz < 2 * low)].sum() for low in (250, 500, 1000, 2000)]
    assert max(octaves) / min(octaves) < 1.3


def test_a_telephone_line_keeps_its_band() -> None:
    """A tone inside passes, tones outside do not."""
    level = {hz: np.std(band(_tone(1.0, hz), 300.0, 3400.0)) for hz in (60.0, 1000.0, 7000.0)}
    assert level[1000.0] > 0.6
    assert level[60.0] < 0.02
    assert level[7000.0] < 0.02


def test_rooms_speed_and_level_keep_their_promises() -> None:
    """A room keeps the length, speed changes it, the level is reached."""
    rng = np.random.default_rng(2)
    assert len(room(_tone(), 0.5, 3.0, rng)) == 16_000
    assert len(speed(_tone(), 1.25)) == 12_800
    assert 20 * np.log10(np.sqrt(np.mean(to_level(_tone(), -30.0) ** 2))) == pytest.approx(-30.0, abs=0.01)
    assert babble([_tone(0.2), _tone(0.3)], 16_000, rng).shape == (16_000,)


def test_a_disturbance_is_seeded_and_finite() -> None:
    """The same seed gives the same sound; no seed gives a NaN or leaves full scale."""
    for seed in range(30):
        one = disturb(_tone(), [_tone(0.5, 90.0)], np.random.default_rng(seed))
        two = disturb(_tone(), [_tone(0.5, 90.0)], np.random.default_rng(seed))
        np.testing.assert_array_equal(one, two)
        assert np.isfinite(one).all()
        assert np.abs(one).max() <= 1.0


def test_other_throats_are_seeded_and_go_both_ways() -> None:
    """A clip that one view raises the next one lowers, by 5 to 20 %; the same view gives the same sound."""
    for index in range(10):
        lengths = [len(OtherVoice(view)(index, _tone())) / 16_000 for view in (0, 1)]
        assert min(lengths) < 1.0 < max(lengths)
        assert all(0.83 <= length <= 0.96 or 1.04 <= length <= 1.21 for length in lengths)
        np.testing.assert_array_equal(OtherVoice(0)(index, _tone()), OtherVoice(0)(index, _tone()))


def test_the_speech_part_has_no_silent_ends() -> None:
    """A second of tone between silences, and a tenth of a second around it."""
    silence = np.zeros(16_000, dtype=np.float32)
    part = speech_part(np.concatenate([silence, _tone(), silence]))
    assert len(part) == pytest.approx(16_000 * 1.2, abs=1600)
    assert len(speech_part(_tone(0.1))) == 8000


def test_crops_and_windows_lie_inside_the_clip() -> None:
    """Half a second to three; windows of two seconds every second; a short clip gives itself."""
    frames = np.zeros((260, 4), dtype=np.float32)
    for seed in range(20):
        (part,) = crop(frames, np.random.default_rng(seed))
        assert 25 <= len(part) <= 150
    assert [len(part) for part in two_seconds(frames, np.random.default_rng(0))] == [100] * 4
    assert [len(part) for part in two_seconds(frames[:60], np.random.default_rng(0))] == [60]


def test_the_head_learns_and_repeats_itself() -> None:
    """Separable classes are separated; the same seed gives the same weights; rare classes count the same."""
    rng = np.random.default_rng(3)
    y = np.repeat([0, 1, 2], [600, 300, 30])
    x = (rng.standard_normal((930, 20)) + 3 * np.eye(3, 20)[y]).astype(np.float32)
    weight = balanced(y, np.full(930, "one"), {"one": 1.0})
    scaler = Scaler.fit(x)
    heads = [fit(scaler(x), y, weight, 3, shrink=0.001, epochs=300) for _ in range(2)]
    np.testing.assert_array_equal(heads[0].weight, heads[1].weight)
    assert recall(y, heads[0](scaler(x)).argmax(axis=1)) > 0.9


def test_a_temperature_undoes_overconfidence() -> None:
    """Logits blown up five times are brought back to within a fifth."""
    rng = np.random.default_rng(4)
    logits = rng.standard_normal((6000, 3)).astype(np.float32)
    y = np.array([rng.choice(3, p=row / row.sum()) for row in softmax(logits).astype(np.float64)])
    assert temperature(logits * 4, y) == pytest.approx(4.0, rel=0.2)


def test_missing_data_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """Without MIEN_DATA, or without the corpus, the error says what to put where."""
    monkeypatch.delenv("MIEN_DATA", raising=False)
    with pytest.raises(InputError, match="MIEN_DATA"):
        data_folder()
    monkeypatch.setenv("MIEN_DATA", str(tmp_path))
    with pytest.raises(InputError, match="MIEN_DATA"):
        clips("emodb")
