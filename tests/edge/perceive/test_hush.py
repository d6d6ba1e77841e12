"""When a voice has died away, by its level."""

from __future__ import annotations

import numpy as np
import pytest

from edge.perceive.hush import Hush

CHUNK = 512


def fed(*levels: float, probability: float = 0.5) -> float:
    hush = Hush()
    noise = np.random.default_rng(1).normal(0, 1, CHUNK).astype(np.float32)
    for level in levels:
        hush.feed((level * noise).astype(np.float32), probability)
    return hush.lasts_s


def test_it_lasts_since_the_voice_fell_far_below_its_loudest() -> None:
    """25 dB below, counted in chunks; a louder one ends it."""
    assert fed(0.1, 0.1, 0.001, 0.001) == pytest.approx(0.064)
    assert fed(0.1, 0.1, 0.001, 0.001, 0.1) == 0.0
    assert fed(0.1, 0.01, 0.01) == 0.0, "20 dB below may be a quiet sound"


def test_a_loud_room_is_never_quiet_and_a_quiet_voice_is_a_voice() -> None:
    """Where noise stands close below the voice, or the detector is sure of speech, it tells nothing."""
    assert fed(0.1, 0.02, 0.02, 0.02) == 0.0
    assert fed(0.1, 0.001, 0.001, probability=0.9) == 0.0


def test_what_was_loud_is_forgotten() -> None:
    """A clap does not make a whole talk after it a hush: the loudest fades by 3 dB a second."""
    assert fed(1.0, *[0.02] * 10) > 0.3
    assert fed(1.0, *[0.02] * 130) == 0.0
