"""A worker: a fault of its detector is a visible, passing degradation; it never ends the thread in silence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from edge import clock
from edge.slots import Slot
from edge.types import FaceSeen, Observation, VideoFrame
from edge.worker import Worker
from tests.sim.wait import until

SEEN = FaceSeen(t_s=0.0, person=1, box=(0.1, 0.1, 0.5, 0.5), presence=1.0)


class Breaking:
    """Raises on the frames whose `seq` is in `bad`."""

    def __init__(self, bad: set[int]) -> None:
        self.bad = bad

    def feed(self, frame: VideoFrame) -> Sequence[Observation]:
        if frame.seq in self.bad:
            raise ValueError("broken picture")
        return [SEEN]

    def reset(self) -> None:
        pass


def frame(seq: int) -> VideoFrame:
    return VideoFrame("test", seq, clock.now_s(), np.zeros((4, 4, 3), np.uint8))


def test_a_broken_frame_is_seen_counted_and_got_over() -> None:
    """After a fault the detector is made anew and goes on; the reason is visible meanwhile."""
    frames: Slot[VideoFrame] = Slot(1)
    found: Slot[Sequence[Observation]] = Slot(8)
    worker = Worker("sight", lambda: Breaking({1}), frames, found)
    worker.start()
    frames.put(frame(1))
    until(lambda: worker.failing is not None)
    assert "ValueError" in str(worker.failing)
    assert len(found) == 0, "a failed detector yields no observation"
    until(lambda: bool(frames.put(frame(2)) or len(found)))
    until(lambda: worker.failing is None)
    assert worker.faults == 1
    frames.close()
    assert worker.join(5.0)


def test_a_detector_that_cannot_be_made_does_not_hold_up_the_start() -> None:
    """`ready` comes even when the model is missing, and the reason is kept."""

    def make() -> Breaking:
        raise FileNotFoundError("no model")

    frames: Slot[VideoFrame] = Slot(1)
    worker = Worker("sight", make, frames, Slot(1))
    worker.start()
    assert worker.ready.wait(5.0)
    until(lambda: "no model" in str(worker.failing))
    frames.close()
    assert worker.join(5.0)


def test_a_fault_that_lasts_is_logged_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """It is tried again and counted each time; the log is told when the reason changes."""
    monkeypatch.setattr("edge.worker._PAUSE_S", 0.0)
    reasons = iter(["no model"] * 5)

    def make() -> Breaking:
        raise FileNotFoundError(next(reasons, "another"))

    frames: Slot[VideoFrame] = Slot(1)
    worker = Worker("sight", make, frames, Slot(1))
    worker.start()
    until(lambda: worker.faults > 8)
    frames.close()
    assert worker.join(5.0)
    assert [one.message for one in caplog.records] == ["sight failed: FileNotFoundError"] * 2


def test_a_detector_that_rests_is_not_woken_and_an_empty_find_is_not_told() -> None:
    """Between two looks no picture is handed over, and none of them counts as dropped."""
    frames: Slot[VideoFrame] = Slot(1)
    found: Slot[Sequence[Observation]] = Slot(8)
    fed: list[int] = []

    class Looking:
        def feed(self, frame: VideoFrame) -> Sequence[Observation]:
            fed.append(frame.seq)
            return []

        def reset(self) -> None:
            pass

    worker = Worker("sight", Looking, frames, found, rest=lambda _: 60.0)
    worker.start()
    frames.put(frame(1))
    until(lambda: worker.frames == 1)
    until(lambda: bool(frames.put(frame(2)) or frames.skipped))
    frames.close()
    assert worker.join(5.0)
    assert fed == [1]
    assert frames.dropped == 0
    assert len(found) == 0
