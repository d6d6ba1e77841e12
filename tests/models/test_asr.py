"""The recognizer on real speech, and its word list."""

import numpy as np
import pytest

from models import store
from models.asr import SpeechRecognizer, read_pieces
from models.errors import InputError, ModelCorrupt, ModelMissing
from tests.sounds import read


@pytest.fixture(scope="module")
def recognizer() -> SpeechRecognizer:
    try:
        for name in ("asr_encoder", "asr_decoder", "asr_pieces"):
            store.path(name)
    except ModelMissing as error:
        pytest.skip(str(error))
    return SpeechRecognizer()


def test_real_speech_is_read(recognizer, clips):
    """A clean sentence comes out word for word, with the log-probability of each piece and of the end."""
    clip = next(one for one in clips if one.stem == "lwbsza")
    found = recognizer.transcribe(read(clip))
    assert found.text == "Lay white by s zero again."
    assert found.closed
    assert all(value <= 0 for value in found.logprobs)
    assert found.avg_logprob > -0.45


def test_emotional_speech_is_read(recognizer, data):
    """Acted anger and fear do not hide the words."""
    for name in ("03-01-05-01-02-01-17.flac", "03-01-06-01-02-02-15.flac"):
        found = recognizer.transcribe(read(data / "speech" / "ravdess" / name))
        assert found.text == "Dogs are sitting by the door."


def test_sound_of_a_wrong_length_is_refused(recognizer):
    """Too short or too long sound is an error that says what to do, not a guess."""
    for seconds in (0.01, 31):
        with pytest.raises(InputError, match="cut it at a pause"):
            recognizer.transcribe(np.zeros(int(seconds * 16_000), dtype=np.float32))


def test_pieces_have_one_or_two_length_bytes():
    """The list of pieces: lengths from 128 on take a second byte; a list that is cut short is corrupt."""
    long = b"x" * 300
    packed = b"\x02hi" + bytes([0x80 | (300 & 0x7F), 300 >> 7]) + long + b"\x00"
    assert read_pieces(packed) == [b"hi", long, b""]
    with pytest.raises(ModelCorrupt, match="models pull"):
        read_pieces(packed[:-2])


def test_long_speech_is_read(recognizer, clips):
    """Nothing changes where the sound is longer than the graph's own thinning of its mask (9 s)."""
    clip = next(one for one in clips if one.stem == "lwbsza")
    found = recognizer.transcribe(np.tile(read(clip), 5))
    assert found.text.lower().count("by s zero again") >= 4
