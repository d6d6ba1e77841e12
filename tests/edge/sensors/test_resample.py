"""Sound of any kind becomes 16 kHz mono."""

from __future__ import annotations

import av
import numpy as np
import pytest

from edge.sensors._resample import Resampler
from edge.types import SAMPLE_RATE


def _frame(levels: np.ndarray, form: str, rate: int = SAMPLE_RATE) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(levels[None], form, "mono")
    frame.sample_rate = rate
    return frame


@pytest.mark.parametrize("form", ["s16", "s16p"])
def test_what_needs_no_resampling_is_what_swresample_gives(form: str) -> None:
    """The short way differs by nothing from the long one, over the whole range."""
    levels = np.linspace(-32_768, 32_767, 1_000).astype(np.int16)
    swr = av.AudioResampler(format="fltp", layout="mono", rate=SAMPLE_RATE)
    expected = np.concatenate([one.to_ndarray()[0] for one in swr.resample(_frame(levels, form))])
    found = Resampler().feed(_frame(levels, form))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)


def test_a_change_to_the_wanted_format_loses_nothing() -> None:
    """The filter's tail of what came before is given first."""
    resampler = Resampler()
    before = resampler.feed(_frame(np.full(4_800, 8_192, np.int16), "s16", 48_000))
    after = resampler.feed(_frame(np.full(1_600, 8_192, np.int16), "s16"))
    assert before.size + after.size == pytest.approx(1_600 + 1_600, abs=2)
    assert after[-1_600:] == pytest.approx(0.25)
