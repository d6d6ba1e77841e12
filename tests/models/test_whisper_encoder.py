"""A stream of speech and its whole recording give the same frames."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from models import store
from models.errors import InputError, ModelMissing
from models.whisper_encoder import CHUNK_FRAMES, WhisperEncoder, encode


@pytest.fixture(scope="module", autouse=True)
def _model() -> None:
    try:
        store.path("whisper_encoder")
    except ModelMissing as reason:
        pytest.skip(str(reason))


def _sound(seconds: float, gain: float = 0.1) -> np.ndarray:
    noise = np.random.default_rng(5).standard_normal(int(16_000 * seconds))
    return (noise * np.hanning(len(noise)) * gain).astype(np.float32)


@pytest.mark.parametrize("piece", [512, 4000, 33_333])
def test_a_stream_equals_the_recording(piece: int) -> None:
    """However the sound is cut, and across the reset after three seconds."""
    sound = _sound(4.3)
    stream, chunks = WhisperEncoder(), []
    for start in range(0, len(sound), piece):
        chunks += stream.feed(sound[start : start + piece])
    frames = np.concatenate([*chunks, stream.tail()])
    assert [len(chunk) for chunk in chunks] == [CHUNK_FRAMES] * 4
    np.testing.assert_array_equal(frames, encode(sound))
    assert frames.shape == (215, 1152)


def _fed_alike(sound: np.ndarray, samples: int) -> Iterator[tuple[WhisperEncoder, WhisperEncoder]]:
    """Two streams after each piece of `samples`; whatever is asked of them between, their chunks are the same."""
    first, second = WhisperEncoder(), WhisperEncoder()
    for start in range(0, len(sound), samples):
        piece = sound[start : start + samples]
        for one, other in zip(first.feed(piece), second.feed(piece), strict=True):
            np.testing.assert_array_equal(one, other)
        yield first, second


def test_looking_changes_nothing() -> None:
    """`tail` may be asked any number of times."""
    for quiet, curious in _fed_alike(_sound(1.7), 1600):
        curious.tail()
        streams = quiet, curious
    np.testing.assert_array_equal(*(stream.tail() for stream in streams))


def test_a_preview_is_cheap_and_leaves_the_chunks_as_they_are() -> None:
    """Four looks a second encode each frame once and then the chunk anew; what `feed` gives stays the recording's."""
    for plain, looked in _fed_alike(_sound(2.0), 4096):
        seen, whole = looked.preview(), plain.tail()
        assert seen.shape == whole.shape or len(whole) - len(seen) < 5  # less than 100 ms of news waits
        np.testing.assert_array_equal(seen, looked.preview())


def test_the_first_look_at_a_chunk_is_the_recording() -> None:
    """Nothing was there to be seen before it; and a later look agrees with the whole chunk in what it says."""
    sound = _sound(0.9)
    stream = WhisperEncoder()
    stream.feed(sound[:8000])
    first = stream.preview()
    np.testing.assert_array_equal(first, stream.tail())
    stream.feed(sound[8000:])
    later, whole = stream.preview(), stream.tail()
    np.testing.assert_array_equal(later[: len(first)], first)
    assert np.corrcoef(later.mean(axis=0), whole.mean(axis=0))[0, 1] > 0.95


def test_the_microphones_gain_does_not_matter() -> None:
    """Forty decibels up or down give the same frames, but for rounding."""
    sound = np.random.default_rng(6).uniform(-0.5, 0.5, 24_000).astype(np.float32)
    loud, soft = encode(sound), encode(sound * np.float32(0.01))
    assert np.linalg.norm(loud - soft) / np.linalg.norm(loud) < 0.01


def test_too_little_sound_gives_no_frames() -> None:
    """Less than a window of 25 ms is nothing, not a guess."""
    assert encode(np.zeros(399, dtype=np.float32)).shape == (0, 1152)


def test_reset_starts_afresh() -> None:
    """After a reset nothing of the old passage is heard."""
    stream = WhisperEncoder()
    stream.feed(_sound(1.4))
    stream.reset()
    chunks = stream.feed(_sound(2.0))
    np.testing.assert_array_equal(np.concatenate([*chunks, stream.tail()]), encode(_sound(2.0)))


def test_wrong_shape_is_a_typed_error() -> None:
    """Stereo is refused with a reason, not broadcast."""
    with pytest.raises((InputError, ValueError)):
        WhisperEncoder().feed(np.zeros((100, 2), dtype=np.float32))
