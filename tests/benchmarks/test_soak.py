"""The soak in its short form; the long one is `mien bench soak`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import soak


def test_a_short_soak_holds_what_it_held_and_both_devices_come_back(data: Path) -> None:
    """Through the whole loop, uplink included, nothing is dropped, no descriptor is left open, and a camera and a
    microphone that were pulled give frames again without anybody's help."""
    result = soak.measure(data, quick=True, peers=False)
    reel, plug = result.detail["reel"], result.detail["plug"]
    assert reel["played_s"] >= 12
    assert reel["summary"]["face_found_pct"] > 50
    assert reel["summary"]["envelopes_sent"] > 10
    assert reel["health"]["failing"] == {}
    assert result.metrics["dropped"] == 0
    assert result.metrics["descriptors_growth"] <= 0
    assert plug["pulls"] == 4
    assert plug["reopened"]["camera"] >= 2
    assert plug["reopened"]["mic"] >= 2
    assert plug["ended"]
    assert result.metrics["pulls_descriptors_growth"] <= 0
    assert result.metrics["pulls_abandoned"] == 0


@pytest.mark.parametrize("leak_mb_per_h", [0.0, 3.0, -2.0])
def test_the_slope_finds_a_leak_in_noise_and_none_where_there_is_none(leak_mb_per_h: float) -> None:
    """The interval holds the truth, and is narrow enough to tell 3 MB an hour from nothing."""
    rng = np.random.default_rng(1)
    samples = [(60.0 * one, 200 + leak_mb_per_h * one / 60 + rng.normal(0, 0.5)) for one in range(240)]
    slope, half = soak.slope_mb_per_h(samples)
    assert abs(slope - leak_mb_per_h) <= half
    assert half < 1.0


def test_growth_counts_only_what_goes_on_growing() -> None:
    """Pools that fill in the first rounds are no leak; 0.2 MB a round is one."""
    assert soak.late_growth([200.0] * 3 + [215.0] * 47) == 0.0
    assert soak.late_growth([200.0 + 0.2 * one for one in range(50)]) > 2.0
    assert soak.late_growth([200.0, 201.0]) == 0.0
