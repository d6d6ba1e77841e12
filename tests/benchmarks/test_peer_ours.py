"""Our side of a comparison does as much as it says."""

from __future__ import annotations

import numpy as np

from benchmarks.peer_ours import _Apart, _hear, _Often


def test_affect_is_asked_as_often_as_the_figure_says() -> None:
    """Seven seconds of sound: two estimates side by side, or four a second after the first."""
    sound = np.random.default_rng(2).normal(0, 0.1, 7 * 16_000).astype(np.float32)
    assert _hear(sound, _Apart())[1] == 2
    assert 22 <= _hear(sound, _Often())[1] <= 24
