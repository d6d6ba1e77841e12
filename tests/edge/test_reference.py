"""The echo canceller hears of each sound when the speaker will play it: after what it already has, and no more once it
fell silent."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from edge import clock
from edge.reference import Reference
from edge.types import SAMPLE_RATE


class Canceller:
    """Notes (samples, first sample, second) of what is played, and when it stops."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, float, float]] = []
        self.silent: list[float] = []

    def playing(self, samples: npt.NDArray[np.float32], t_s: float) -> None:
        self.heard.append((samples.size, float(samples[0]), t_s))

    def stopped(self, t_s: float) -> None:
        self.silent.append(t_s)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock: its only entry is the time in seconds."""
    at = [50.0]
    monkeypatch.setattr(clock, "now_s", lambda: at[0])
    return at


def half_scale(seconds: float) -> bytes:
    return np.full(int(seconds * SAMPLE_RATE), 16_384, np.int16).tobytes()


def test_sound_is_played_after_what_was_queued(now: list[float]) -> None:
    """Three parts that come at once are heard one after the other; one that comes late is heard at once."""
    canceller = Canceller()
    reference = Reference(canceller)
    for _ in range(3):
        reference.play(half_scale(0.5), SAMPLE_RATE)
    now[0] = 60.0
    reference.play(half_scale(0.25), SAMPLE_RATE)
    assert [at_s for _, _, at_s in canceller.heard] == [50.0, 50.5, 51.0, 60.0]
    assert [count for count, _, _ in canceller.heard] == [8_000, 8_000, 8_000, 4_000]
    assert {level for _, level, _ in canceller.heard} == {0.5}


def test_what_was_queued_is_forgotten_with_the_speaker(now: list[float]) -> None:
    """After a barge-in the next reply begins at once, not where the one that was cut off would have ended."""
    canceller = Canceller()
    reference = Reference(canceller)
    reference.play(half_scale(4.0), SAMPLE_RATE)
    now[0] = 51.0
    reference.stop()
    now[0] = 51.5
    reference.play(half_scale(0.5), SAMPLE_RATE)
    assert canceller.silent == [51.0]
    assert [at_s for _, _, at_s in canceller.heard] == [50.0, 51.5]
