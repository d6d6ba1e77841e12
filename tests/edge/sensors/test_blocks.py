"""Sound keeps its time: by counting samples, across gaps, and against a drifting clock."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.sensors._blocks import Blocks
from edge.sensors._liveclock import LiveClock
from edge.sensors.base import BLOCK


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=20))
def test_any_pieces_in_any_sizes_come_out_whole(sizes: list[int]) -> None:
    """However sound arrives, blocks are 512 samples, in order, with nothing lost or doubled."""
    blocks, whole, out = Blocks("x"), np.arange(sum(sizes), dtype=np.float32), []
    start = 0
    for size in sizes:
        out += blocks.feed(whole[start : start + size], 5.0 + start / 16_000)
        start += size
    out += blocks.flush()
    assert all(len(one.samples) == BLOCK for one in out[:-1])
    np.testing.assert_array_equal(np.concatenate([one.samples for one in out] or [whole[:0]]), whole)
    for one in out:
        assert one.t_s == pytest.approx(5.0 + one.seq * BLOCK / 16_000)


def test_a_gap_moves_time_and_jitter_does_not() -> None:
    """Lost sound shows as a jump in time, its last block filled with silence; jitter and backward stamps do not."""
    blocks = Blocks("x")
    ones = np.ones(600, np.float32)
    out = list(blocks.feed(ones, 1.0))
    out += blocks.feed(ones, 1.05)  # jitter
    out += blocks.feed(ones, 0.3)  # nonsense
    assert [one.t_s for one in out] == pytest.approx([1.0, 1.032, 1.064])
    out = list(blocks.feed(ones, 9.0))
    assert [one.t_s for one in out] == pytest.approx([1.096, 9.0])
    assert out[0].samples[:264].all()
    assert not out[0].samples[264:].any()


def test_live_sound_follows_a_drifting_clock() -> None:
    """A sound card that runs 0.1 % slow stays in step with the picture over an hour."""
    blocks, silence = Blocks("x", live=True), np.zeros(BLOCK, np.float32)
    for index in range(20_000):
        (last,) = blocks.feed(silence, index * 0.032 * 1.001)
    assert last.t_s == pytest.approx(19_999 * 0.032 * 1.001, abs=0.01)


def test_the_live_clock_takes_the_quickest_way() -> None:
    """Delays on the way do not shift the time; a clock that was set does."""
    live = LiveClock()
    delays = [0.3, 0.02, 0.4, 0.05, 0.02, 0.3]
    times = [live.at(index, 100 + index + delay) for index, delay in enumerate(delays)]
    assert times[1:] == pytest.approx([100 + index + 0.02 for index in range(1, 6)], abs=0.001)
    assert live.at(50.0, 200.0) == pytest.approx(200.0)
    assert live.at(50.04, 200.04) == pytest.approx(200.04, abs=0.001)
