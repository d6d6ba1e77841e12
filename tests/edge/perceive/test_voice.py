"""The voice reader speaks only of speech, at its hop, and says of a stream what it says of the recording."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from edge.perceive.speech import CHUNK, CHUNK_S
from edge.perceive.voice import RecordingReader, VoiceReader
from edge.types import SAMPLE_RATE, VoiceAffect
from models import store
from models.errors import ModelMissing
from models.logmel import SampleRateError
from models.train.voice_data import read_sound
from models.voice_head import CORE, VoiceEstimate, VoiceHead
from models.whisper_encoder import FRAME_S, WhisperEncoder


@pytest.fixture(autouse=True, scope="module")
def _models() -> None:
    for name in ("whisper_encoder", "speech_activity"):
        try:
            store.path(name)
        except ModelMissing as reason:
            pytest.skip(str(reason))


def _voiced(seconds: float, seed: int = 0) -> np.ndarray:
    """A buzz with a moving pitch: something that the encoder can hear."""
    t_s = np.arange(int(SAMPLE_RATE * seconds)) / SAMPLE_RATE
    phase = 2 * np.pi * np.cumsum(150 + 50 * np.sin(2 * np.pi * (0.5 + seed) * t_s)) / SAMPLE_RATE
    return (0.1 * sum(np.sin(k * phase) / k for k in range(1, 20))).astype(np.float32)


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
    assert _feed(reader, _voiced(3.0), speaking=False, probability=0.0) == []
    assert _feed(reader, np.zeros(SAMPLE_RATE * 2, dtype=np.float32), speaking=False) == []


def test_estimates_come_four_times_a_second_from_half_a_second_on() -> None:
    """The first after 0.5 s of speech, then one per 250 ms, each resting on more, up to two seconds."""
    found = _feed(VoiceReader(), _voiced(5.0))
    assert found[0].t_s == pytest.approx(0.5, abs=CHUNK_S)
    steps = np.diff([affect.t_s for affect in found])
    assert np.all(np.abs(steps - 0.25) <= CHUNK_S)
    heard = [affect.listened_s for affect in found]
    assert heard == sorted(heard)
    assert heard[-1] == pytest.approx(2.0, abs=0.05)


def test_the_newest_second_and_half_second_are_judged_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two seconds, the last of them, and its last half: a change is in the shortest first."""
    judged: list[tuple[float, Mapping[str, float] | None]] = []
    judge, probs = VoiceHead.estimate, VoiceHead.probs

    def whole(head: VoiceHead, frames: np.ndarray) -> VoiceEstimate | None:
        found = judge(head, frames)
        judged.append((len(frames) * FRAME_S, None if found is None else found.probs))
        return found

    def newest(head: VoiceHead, frames: np.ndarray) -> dict[str, float] | None:
        found = probs(head, frames)
        judged.append((len(frames) * FRAME_S, found))
        return found

    monkeypatch.setattr(VoiceHead, "estimate", whole)
    monkeypatch.setattr(VoiceHead, "probs", newest)
    said = _feed(VoiceReader(), _voiced(4.0))[-1]
    assert [seconds for seconds, _ in judged[-3:]] == pytest.approx([2.0, 1.0, 0.5])
    assert [found for _, found in judged[-3:]] == [said.probs, said.recent, said.latest]


def test_while_the_tone_changes_it_looks_sooner_and_more_closely(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice as often, and at the unfinished second as a whole, while the last second sounds unlike the last two; what
    is told of the look that finds it so was looked at closely, too."""
    closely: list[float] = []
    unlike, now_s = [False], 0.0
    judge, tail = VoiceHead.estimate, WhisperEncoder.tail
    heard: list[VoiceEstimate | None] = []

    def whole(head: VoiceHead, frames: np.ndarray) -> VoiceEstimate | None:
        heard.append(judge(head, frames))
        return heard[-1]

    def look(encoder: WhisperEncoder) -> np.ndarray:
        closely.append(now_s)
        return tail(encoder)

    def newest(_head: VoiceHead, _frames: np.ndarray) -> Mapping[str, float] | None:
        like = None if heard[-1] is None else heard[-1].probs
        return dict.fromkeys(CORE, 0.0) if unlike[0] else like

    monkeypatch.setattr(WhisperEncoder, "tail", look)
    monkeypatch.setattr(VoiceHead, "estimate", whole)
    monkeypatch.setattr(VoiceHead, "probs", newest)
    reader, sound = VoiceReader(), _voiced(6.0)
    said: list[VoiceAffect] = []
    for at in range(0, len(sound) - CHUNK + 1, CHUNK):
        now_s = (at + CHUNK) / SAMPLE_RATE
        unlike[0] = 2.0 <= at / SAMPLE_RATE < 4.0
        found = reader.feed(sound[at : at + CHUNK], at / SAMPLE_RATE, 0.9, True)
        said += [] if found is None else [found]
    times_s = [affect.t_s for affect in said]
    steps = {t: after - t for t, after in itertools.pairwise(times_s)}
    unlike_s = [t for t in times_s if 2.0 + CHUNK_S <= t < 4.0 + CHUNK_S]
    assert len(unlike_s) >= 14
    assert sorted(set(closely)) == pytest.approx([*unlike_s, unlike_s[-1] + 4 * CHUNK_S])
    assert all(abs(step - (0.125 if t in unlike_s else 0.25)) <= CHUNK_S for t, step in steps.items())


def test_a_pause_ends_the_passage_and_a_breath_does_not() -> None:
    """After a second of silence listening starts afresh; after 300 ms it goes on."""
    reader = VoiceReader()
    _feed(reader, _voiced(1.5))
    after_breath = _feed(reader, _voiced(0.6, 1), start_s=1.8)
    assert after_breath[0].listened_s > 1.5
    after_pause = _feed(reader, _voiced(0.8, 1), start_s=4.0)
    assert after_pause[0].listened_s == pytest.approx(0.5, abs=2 * CHUNK_S)


def test_after_a_reset_nothing_of_before_is_heard() -> None:
    """Another person, or the device's own voice in between: the answers equal those of a new reader."""
    used, new = VoiceReader(), VoiceReader()
    _feed(used, _voiced(2.2, 3))
    used.reset()
    assert _feed(used, _voiced(1.2), start_s=9.0) == _feed(new, _voiced(1.2), start_s=9.0)


def test_doubtful_chunks_wait_until_speech_goes_on() -> None:
    """A stop inside a word is kept, the silence after the last word is not."""
    reader, sound = VoiceReader(), _voiced(1.2)
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
