"""The rebuilt speech activity network against the published one."""

from __future__ import annotations

import numpy as np
import pytest

from models import store
from models.errors import ModelMissing
from models.session import open_session
from quantization.speech_activity import SAMPLES, build_speech_activity
from tests.sounds import read, speech_of

_RATE = np.array(16_000)


@pytest.fixture(scope="module")
def published():
    try:
        return store.path("speech_activity_published")
    except ModelMissing as error:
        pytest.skip(str(error))


def _chunks(sound: np.ndarray) -> list[np.ndarray]:
    return [sound[None, at : at + SAMPLES] for at in range(0, len(sound) - SAMPLES + 1, SAMPLES - 64)]


def test_the_rebuilt_network_is_the_published_one(published, clips):
    """Over seconds of speech, noise and silence, what each remembers included, the probability is the same."""
    old, new = open_session(published), open_session(store.path("speech_activity"))
    noise = 0.1 * np.random.default_rng(0).standard_normal(32_000)
    sounds = [noise, np.zeros(16_000), *(speech_of(read(clip))[:80_000] for clip in clips[:2])]
    was = now = np.zeros((2, 1, 128), np.float32)
    spoke = 0
    for chunk in _chunks(np.concatenate(sounds).astype(np.float32)):
        expected, was = old.run(chunk, was, _RATE)
        found, now = new.run(chunk, now)
        assert found[0, 0] == pytest.approx(expected[0, 0], abs=1e-3)
        spoke += expected[0, 0] > 0.5
    assert spoke > 30


def test_the_build_is_reproducible(published, tmp_path):
    """The same input gives the file that the card pins."""
    build_speech_activity({"speech_activity_published": published}, tmp_path / "built.onnx")
    assert (tmp_path / "built.onnx").read_bytes() == store.path("speech_activity").read_bytes()
