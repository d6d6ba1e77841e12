"""The voice reader speaks only of speech, at its hop, and says of a stream what it says of the recording."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.perceive.speech import CHUNK, CHUNK_S
from edge.perceive.voice import RecordingReader, VoiceReader
from edge.types import SAMPLE_RATE, VoiceAffect
from models import store, voice_stream
from models.errors import ModelMissing
from models.logmel import SampleRateError
from models.train.voice_data import read_sound
from tests.sounds import buzz


@pytest.fixture(autouse=True, scope="module")
def _models() -> None:
    for name in ("whisper_encoder", "speech_activity"):
        try:
            store.path(name)
        except ModelMissing as reason:
            pytest.skip(str(reason))


def _feed(
    reader: VoiceReader, sound: np.ndarray, *, start_s: float = 0.0, speaking: bool = True, probability: float = 0.9
) -> list[VoiceAffect]:
    found = []
    for at in range(0, len(sound) - CHUNK + 1, CHUNK):
        affect = reader.feed(sound[at : at + CHUNK], start_s + at / SAMPLE_RATE, probability, speaking)
        if affect is not None:
            found.append(affect)
    return found


def test_nothing_is_said_of_silence() -> None:
    """However loud what is no speech may be."""
    reader = VoiceReader()
    assert _feed(reader, buzz(3.0), speaking=False, probability=0.0) == []
    assert _feed(reader, np.zeros(SAMPLE_RATE * 2, dtype=np.float32), speaking=False) == []


def test_estimates_come_four_times_a_second_from_half_a_second_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first after 0.5 s of speech, then one per 250 ms while nothing stirs, each resting on more, up to two
    seconds."""
    monkeypatch.setattr(voice_stream, "_STIRS", 1.1)
    found = _feed(VoiceReader(), buzz(5.0))
    assert found[0].t_s == pytest.approx(0.5, abs=CHUNK_S)
    steps = np.diff([affect.t_s for affect in found])
    assert np.all(np.abs(steps - 0.25) <= CHUNK_S)
    heard = [affect.listened_s for affect in found]
    assert heard == sorted(heard)
    assert heard[-1] == pytest.approx(2.0, abs=0.05)


def test_a_pause_ends_the_passage_and_a_breath_does_not() -> None:
    """After a second of silence listening starts afresh; after 300 ms it goes on."""
    reader = VoiceReader()
    _feed(reader, buzz(1.5))
    after_breath = _feed(reader, buzz(0.6, 1), start_s=1.8)
    assert after_breath[0].listened_s > 1.5
    after_pause = _feed(reader, buzz(0.8, 1), start_s=4.0)
    assert after_pause[0].listened_s == pytest.approx(0.5, abs=2 * CHUNK_S)


def test_after_a_reset_nothing_of_before_is_heard() -> None:
    """Another person, or the device's own voice in between: the answers equal those of a new reader."""
    used, new = VoiceReader(), VoiceReader()
    _feed(used, buzz(2.2, 3))
    used.reset()
    assert _feed(used, buzz(1.2), start_s=9.0) == _feed(new, buzz(1.2), start_s=9.0)


def test_doubtful_chunks_wait_until_speech_goes_on() -> None:
    """A stop inside a word is kept, the silence after the last word is not."""
    reader, sound = VoiceReader(), buzz(1.2)
    _feed(reader, sound[: CHUNK * 10])
    _feed(reader, sound[CHUNK * 10 : CHUNK * 14], start_s=10 * CHUNK_S, probability=0.1)
    resumed = _feed(reader, sound[CHUNK * 14 :], start_s=14 * CHUNK_S)
    straight = _feed(VoiceReader(), sound)
    assert resumed[-1].probs == pytest.approx(straight[-1].probs, abs=0.02)
    silent = VoiceReader()
    _feed(silent, sound[: CHUNK * 10])
    assert _feed(silent, sound, start_s=10 * CHUNK_S, probability=0.1) == []


def test_another_sample_rate_is_refused() -> None:
    """Resampling belongs to the sensors, with a filter."""
    with pytest.raises(SampleRateError):
        RecordingReader().read(np.zeros(44_100, dtype=np.float32), 44_100)


def test_a_recording_without_speech_gives_nothing() -> None:
    """Digital silence and steady noise are not neutral; they are None."""
    noise = np.random.default_rng(0).standard_normal(SAMPLE_RATE * 3).astype(np.float32) * 0.01
    reader = RecordingReader()
    assert reader.read(np.zeros(SAMPLE_RATE * 3, dtype=np.float32)) is None
    assert reader.read(noise) is None


def test_anger_and_sadness_of_actors_are_told_apart(data: Path) -> None:
    """Zero-shot on people never heard: shouting is high in arousal, weeping low."""
    folder = data / "speech" / "ravdess"
    reader = RecordingReader()
    arousal = {}
    for emotion in ("05", "04"):  # angry, sad; strong
        read = [reader.read(read_sound(folder / f"03-01-{emotion}-02-01-01-{actor:02d}.flac")) for actor in range(1, 9)]
        arousal[emotion] = [affect.arousal for affect in read if affect is not None]
        assert len(arousal[emotion]) >= 6
    assert np.mean(arousal["05"]) > np.mean(arousal["04"]) + 0.3
