"""What the reply benchmark lets the device hear."""

from __future__ import annotations

import numpy as np

from benchmarks.spoken import spoken
from edge.types import SAMPLE_RATE


async def test_recordings_are_the_same_in_every_run() -> None:
    """Two workers speak the same sentences to the sample alike; a sentence that comes twice sounds another way."""
    sentences = ("How far is it to the station?", "The train is late.", "The train is late.")
    first, again = await spoken(sentences), await spoken(sentences)
    for one, other in zip(first, again, strict=True):
        assert np.array_equal(one.whole, other.whole)
        assert np.array_equal(one.before, other.before)
    assert not np.array_equal(first[1].whole, first[2].whole)


async def test_a_hesitation_is_silence_between_two_words() -> None:
    """Both parts of a sentence are said, with the pause between them and no silence around."""
    (one,) = await spoken(("I got the job, and I start on Monday.",))
    heard = one.hesitating(0.4)
    pause = round(0.4 * SAMPLE_RATE)
    assert len(heard) == len(one.before) + pause + len(one.after)
    assert not heard[len(one.before) : len(one.before) + pause].any()
    assert 0.6 < (len(one.before) + len(one.after)) / len(one.whole) <= 1.0
