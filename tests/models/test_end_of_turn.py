"""The end-of-turn network on real sentences."""

import numpy as np
import pytest

from models import store
from models.end_of_turn import EndOfTurnNet
from models.errors import ModelMissing
from tests.sounds import read, speech_of


@pytest.fixture(scope="module")
def net() -> EndOfTurnNet:
    try:
        store.path("end_of_turn")
    except ModelMissing as error:
        pytest.skip(str(error))
    return EndOfTurnNet()


def test_whole_sentences_end(net, clips):
    """A sentence spoken to its end is heard as complete, and less so when it is cut in its first third."""
    pause = np.zeros(3_200, dtype=np.float32)
    whole, cut = [], []
    for clip in clips:
        speech = speech_of(read(clip))
        whole.append(net.probability(np.concatenate((speech, pause))))
        cut.append(net.probability(np.concatenate((speech[: len(speech) // 3], pause))))
    assert min(whole) > 0.5
    assert np.mean(cut) < np.mean(whole)


def test_only_the_last_eight_seconds_count(net, clips):
    """What lies more than 8 s back changes nothing."""
    turn = np.tile(read(clips[0]), 4)[: 10 * 16_000]
    assert net.probability(turn) == net.probability(turn[-8 * 16_000 :])
