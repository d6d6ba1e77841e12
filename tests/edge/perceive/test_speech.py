"""When speech begins and ends, by rule."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.perceive.speech import CHUNK, CHUNK_S, Chunk, SpeechGate
from edge.types import SAMPLE_RATE, AudioFrame
from tests.sounds import frames


class LoudIsSpeech:
    """The production protocol with a truth that a test can write: a chunk's probability is its mean level."""

    def __init__(self) -> None:
        self.resets = 0

    def probability(self, chunk: np.ndarray) -> float:
        return float(np.abs(chunk).mean())

    def reset(self) -> None:
        self.resets += 1


def scripted(probabilities: list[float], *, start_s: float = 0.0, block: int = CHUNK) -> list[Chunk]:
    sound = np.repeat(np.array(probabilities, dtype=np.float32), CHUNK)
    gate = SpeechGate(LoudIsSpeech())
    return [chunk for frame in frames(sound, block=block, start_s=start_s) for chunk in gate.feed(frame)]


def spoken(chunks: list[Chunk]) -> list[bool]:
    return [chunk.activity.speaking for chunk in chunks]


def test_one_loud_chunk_is_a_click_two_are_speech():
    """Speech begins with the second likely chunk in a row, and its begin is the first one's."""
    assert not any(spoken(scripted([0.0, 0.9, 0.0, 0.9, 0.0])))
    chunks = scripted([0.0, 0.9, 0.9, 0.0], start_s=5.0)
    assert spoken(chunks) == [False, False, True, True]
    assert chunks[2].utterance_start_s == 5.0 + CHUNK_S
    assert chunks[2].activity.speech_s == pytest.approx(2 * CHUNK_S)


def test_speech_lasts_through_doubt_and_short_gaps():
    """What began at 0.5 lasts at 0.4 and through a gap of under 0.2 s, and ends after a longer one."""
    assert all(spoken(scripted([0.9, 0.9, *[0.4] * 20]))[1:])
    assert all(spoken(scripted([0.9, 0.9, *[0.1] * 6, 0.9]))[1:])
    chunks = scripted([0.9, 0.9, *[0.1] * 7, 0.9])
    assert spoken(chunks)[-2:] == [False, False]
    assert chunks[-2].last_speech_s == 2 * CHUNK_S
    assert chunks[-2].activity.speech_s == 0


def test_activity_carries_the_time_of_its_newest_sample():
    """`t_s` is the capture time of the chunk's end, so that ages are honest."""
    assert [round(chunk.activity.t_s, 6) for chunk in scripted([0.0, 0.0], start_s=7.0)] == [7.032, 7.064]


@settings(max_examples=40)
@given(
    probabilities=st.lists(st.sampled_from([0.0, 0.3, 0.4, 0.6, 0.9]), min_size=1, max_size=40),
    sizes=st.lists(st.integers(1, 3_000), min_size=1, max_size=30),
)
def test_how_sound_is_cut_into_frames_changes_nothing(probabilities, sizes):
    """Any split of a stream gives the same chunks; what is left over waits."""
    sound = np.repeat(np.array(probabilities, dtype=np.float32), CHUNK)
    gate, at, chunks = SpeechGate(LoudIsSpeech()), 0, []
    while at < len(sound):
        size = sizes[len(chunks) % len(sizes)] + at % 7
        chunks += gate.feed(AudioFrame("test", 0, at / SAMPLE_RATE, sound[at : at + size]))
        at += size
    whole = scripted(probabilities)
    assert len(chunks) == len(whole)
    for one, other in zip(chunks, whole, strict=True):
        assert abs(one.t_s - other.t_s) < 1e-6
        assert one.activity.speaking == other.activity.speaking
        assert abs(one.activity.probability - other.activity.probability) < 1e-6


def test_lost_sound_ends_the_utterance():
    """Sound from before and after a hole in time is never joined: the network forgets and speech must begin anew."""
    net = LoudIsSpeech()
    gate = SpeechGate(net)
    loud = np.full(CHUNK * 3 + 100, 0.9, dtype=np.float32)
    before = gate.feed(AudioFrame("test", 0, 0.0, loud))
    after = gate.feed(AudioFrame("test", 1, 3.0, loud[:CHUNK]))
    assert spoken(before)[-1]
    assert not spoken(after)[0]
    assert after[0].t_s == 3.0  # the 100 samples that waited are not prefixed
    assert after[0].last_speech_s == before[-1].last_speech_s
    assert net.resets == 2
    again = gate.feed(AudioFrame("test", 2, 3.0 + CHUNK_S, loud[:CHUNK]))
    assert [one.follows for one in (*before, *after, *again)] == [True] * 3 + [False, True]


def _room(seconds: float, level: float, seed: int) -> np.ndarray:
    return level * np.random.default_rng(seed).standard_normal(round(seconds * SAMPLE_RATE)).astype(np.float32)


def test_a_calm_room_is_judged_in_groups_and_a_louder_sound_brings_them_at_once():
    """After two calm seconds quiet chunks wait for three others; what is louder never waits, and nothing is lost."""
    sound = np.concatenate([_room(4.0, 1e-3, 0), _room(0.5, 0.5, 1), _room(0.5, 1e-3, 2)])
    gate, came = SpeechGate(LoudIsSpeech()), []
    for frame in frames(sound, block=CHUNK):
        chunks = gate.feed(frame)
        came += [(chunk, frame.end_s) for chunk in chunks]
    late_s = np.array([now_s - chunk.end_s for chunk, now_s in came])
    end_s = np.array([chunk.end_s for chunk, _ in came])
    assert np.allclose(np.diff(end_s), CHUNK_S)  # each once, in order
    assert late_s[end_s < 2.0].max() < 1e-6
    assert late_s.max() == pytest.approx(3 * CHUNK_S)
    assert np.mean(late_s[(end_s > 2.5) & (end_s < 4.0)] > 1e-6) == pytest.approx(0.75, abs=0.1)
    assert late_s[end_s > 4.0 + CHUNK_S].max() < 1e-6
    assert len(came) + len(gate.flush()) == sound.size // CHUNK


def test_groups_change_nothing_of_what_is_heard(monkeypatch: pytest.MonkeyPatch):
    """Chunk by chunk the same is said as if none had waited, over gaps of the clock, too."""

    def heard() -> list[tuple[float, float, bool]]:
        gate, found = SpeechGate(LoudIsSpeech()), []
        for part, start_s in enumerate((0.0, 9.0, 17.5)):
            sound = np.concatenate([_room(5.0, 1e-3, part), _room(1.0, 0.9, 9), _room(1.0, 0.02, part)])
            found += [one for frame in frames(sound, block=700, start_s=start_s) for one in gate.feed(frame)]
        return [(one.end_s, one.activity.probability, one.activity.speaking) for one in found + gate.flush()]

    grouped = heard()
    monkeypatch.setattr("edge.perceive.speech._TOGETHER", 1)
    assert grouped == heard()
    assert any(speaking for _, _, speaking in grouped)


def test_a_sound_in_the_upper_range_is_louder_than_rumble():
    """A voice that adds nothing to the level of a droning room still brings its chunks at once."""
    time_s = np.arange(6 * SAMPLE_RATE) / SAMPLE_RATE
    sound = (0.3 * np.sin(2 * np.pi * 31.25 * time_s)).astype(np.float32) + _room(6.0, 1e-4, 0)
    sound[-CHUNK:] += 0.03 * np.sin(2 * np.pi * 1_000 * time_s[:CHUNK])
    gate = SpeechGate(type("Never", (), {"probability": lambda *_: 0.0, "reset": lambda *_: None})())
    groups = [len(gate.feed(frame)) for frame in frames(sound[: -(sound.size % CHUNK) or None], block=CHUNK)]
    assert max(groups[-12:-1]) == 4
    assert groups[-1] > 0
    assert not gate.flush()
