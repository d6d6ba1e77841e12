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


@settings(max_examples=40, deadline=None)
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
