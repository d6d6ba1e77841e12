"""The speech activity network on real speech and on what is none."""

import numpy as np
import pytest

from models import store
from models.errors import InputError, ModelMissing
from models.speech_activity import CHUNK, SpeechActivityNet
from tests.sounds import read, speech_of


@pytest.fixture
def net() -> SpeechActivityNet:
    try:
        store.path("speech_activity")
    except ModelMissing as error:
        pytest.skip(str(error))
    return SpeechActivityNet()


def _probabilities(net: SpeechActivityNet, samples: np.ndarray) -> np.ndarray:
    return np.array([net.probability(one) for one in samples[: len(samples) // CHUNK * CHUNK].reshape(-1, CHUNK)])


def test_speech_is_likely_and_what_is_not_speech_is_not(net, clips):
    """Real talkers are heard; silence, noise and a tone are not."""
    for clip in clips:
        net.reset()
        assert np.percentile(_probabilities(net, speech_of(read(clip))), 50) > 0.8, clip.name
    rng = np.random.default_rng(0)
    tone = 0.2 * np.sin(2 * np.pi * 440 * np.arange(32_000) / 16_000)
    for name, sound in {"silence": np.zeros(32_000), "noise": 0.05 * rng.standard_normal(32_000), "tone": tone}.items():
        net.reset()
        assert np.percentile(_probabilities(net, sound.astype(np.float32)), 95) < 0.35, name


def test_a_reset_net_answers_as_a_new_one(net):
    """Nothing of an earlier stream leaks through reset()."""
    chunk = np.random.default_rng(1).standard_normal(CHUNK).astype(np.float32) * 0.1
    first = net.probability(chunk)
    net.probability(chunk[::-1].copy())
    net.reset()
    assert net.probability(chunk) == first


def test_another_chunk_length_is_refused(net):
    """A chunk of another length would be misread without a word; it is an error instead."""
    with pytest.raises(InputError, match="512"):
        net.probability(np.zeros(480, dtype=np.float32))
