"""A worker: a fault of its detector is a visible, passing degradation; it never ends the thread in silence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edge import clock
from edge.slots import Slot
from edge.types import AudioFrame, FaceLost, FaceSeen, Frame, Observation, VideoFrame
from edge.worker import Worker
from models.errors import ModelMissing
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
    assert worker.dropped > 0, "what came meanwhile was not perceived, and is no silence"
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


def test_what_lies_in_a_closed_slot_does_not_keep_it_trying() -> None:
    """A recording ends while its detector cannot be made: so does the worker, and what is left was dropped."""

    def make() -> Breaking:
        frames.close()
        raise FileNotFoundError("no model")

    frames: Slot[VideoFrame] = Slot(8)
    for seq in range(3):
        frames.put(frame(seq))
    worker = Worker("sight", make, frames, Slot(1))
    worker.start()
    assert worker.join(5.0)
    assert (worker.faults, worker.dropped, worker.frames) == (3, 3, 0)


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


class Seeing:
    """Keeps what it is fed, and gives what it is told to."""

    def __init__(self, *found: Observation) -> None:
        self.found = found
        self.fed: list[int] = []

    def feed(self, frame: Frame) -> Sequence[Observation]:
        self.fed.append(frame.seq)
        return self.found

    def reset(self) -> None:
        pass


def through(detector: Seeing, *frames: Frame, **options: Any) -> tuple[Worker[Any], Slot[Any]]:
    """A worker that has looked at all of `frames`, and its slot."""
    slot: Slot[Any] = Slot(8)
    for one in frames:
        slot.put(one)
    slot.close()
    worker: Worker[Any] = Worker("sight", lambda: detector, slot, Slot(8), **options)
    worker.start()
    assert worker.join(10.0)
    return worker, slot


def test_it_is_ready_before_the_first_frame() -> None:
    """A clip begins only then; and a detector that hangs does not keep the process alive."""
    frames: Slot[VideoFrame] = Slot(1)
    worker = Worker("sight", Seeing, frames, Slot(1))
    worker.start()
    assert worker.ready.wait(5.0)
    assert worker._thread.daemon
    frames.close()
    assert worker.join(5.0)


def test_a_detector_is_tuned_before_each_frame() -> None:
    """What the governor left of it since the last one."""
    seeing = Seeing()
    tuned: list[int] = []
    through(seeing, frame(1), frame(2), tune=lambda one: tuned.append(len(one.fed)))
    assert tuned == [0, 1]


def test_frames_that_show_a_face_are_counted_and_not_faces() -> None:
    """The share of pictures in which somebody was found can not be above one."""
    other = replace(SEEN, person=2)
    for found, faces in (((SEEN, other), 2), ((), 0), ((FaceLost(t_s=0.0, person=1),), 0)):
        worker, _ = through(Seeing(*found), frame(1), frame(2))
        assert (worker.frames, worker.faces) == (2, faces)


def test_lateness_runs_from_the_last_that_a_frame_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of sound, from its last sample; of a picture, from its exposure. A clock that is ahead makes nothing early."""
    monkeypatch.setattr(clock, "now_s", lambda: 100.0)
    sound = AudioFrame("test", 0, 99.0, np.zeros(8_000, np.float32))
    picture = VideoFrame("test", 0, 99.75, np.zeros((4, 4, 3), np.uint8))
    ahead = VideoFrame("test", 0, 100.5, np.zeros((4, 4, 3), np.uint8))
    for one, late_s in ((sound, 0.5), (picture, 0.25), (ahead, 0.0)):
        worker, _ = through(Seeing(), one)
        assert worker.latency.quantile(0.0) == pytest.approx(1000 * late_s)
        assert worker.latency.take_recent_s() == pytest.approx(late_s)


def test_a_rest_is_counted_from_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not from when it was looked at: else a slow board would look more seldom. And no rest skips nothing."""
    late = VideoFrame("test", 1, clock.now_s() - 5.0, np.zeros((4, 4, 3), np.uint8))
    _, slot = through(Seeing(), late, rest=lambda _: 60.0)
    assert slot.rests_until_s == pytest.approx(late.t_s + 60.0)
    seeing = Seeing()
    _, slot = through(seeing, frame(1), frame(2), frame(3), rest=lambda _: 0.0)
    assert seeing.fed == [1, 2, 3]
    assert slot.skipped == 0


def test_what_lies_in_a_slot_that_ended_is_looked_at_even_after_a_fault() -> None:
    """The end of a recording is not lost to one broken picture in it."""
    slot: Slot[VideoFrame] = Slot(8)
    for seq in (1, 2, 3):
        slot.put(frame(seq))
    slot.close()
    worker = Worker("sight", lambda: Breaking({1}), slot, Slot(8))
    worker.start()
    assert worker.join(10.0)
    assert (worker.faults, worker.frames) == (1, 2)


def test_what_comes_just_as_a_wait_is_over_is_looked_at() -> None:
    """Even if it is the last, and the slot is closed behind it before anybody looks again."""

    class Late(Slot[VideoFrame]):
        def take(self, timeout_s: float | None = None) -> VideoFrame | None:
            if self.closed:
                return super().take(timeout_s)
            self.put(frame(1))
            self.close()
            return None

    seeing = Seeing()
    worker: Worker[VideoFrame] = Worker("sight", lambda: seeing, Late(1), Slot(8))
    worker.start()
    assert worker.join(5.0)
    assert seeing.fed == [1]


def test_what_comes_during_the_pause_is_not_looked_at_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a fault it goes on with what is happening then, not with what piled up."""
    now_s = 50.0
    monkeypatch.setattr(clock, "now_s", lambda: now_s)
    frames: Slot[VideoFrame] = Slot(8)
    found: Slot[Sequence[Observation]] = Slot(8)
    made: list[Breaking] = []

    def make() -> Breaking:
        made.append(Breaking({1}))
        return made[-1]

    worker = Worker("sight", make, frames, found)
    worker.start()
    frames.put(frame(1))
    until(lambda: worker.failing is not None)
    frames.put(frame(2))
    frames.put(frame(3))
    until(lambda: not len(frames))
    assert (len(made), worker.frames) == (1, 0)
    now_s = 60.0
    until(lambda: len(made) == 2)
    frames.put(frame(4))
    until(lambda: worker.frames == 1)
    frames.close()
    assert worker.join(5.0)


@pytest.mark.parametrize(
    ("error", "told"),
    [(ModelMissing("run `mien models pull`"), "run `mien models pull`"), (ValueError("hello"), "ValueError")],
)
def test_the_log_names_the_mend_but_quotes_no_input(
    error: Exception, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What a model lacks holds nothing of anybody; any other error may hold what was said."""
    frames: Slot[VideoFrame] = Slot(1)

    def make() -> Breaking:
        raise error

    worker = Worker("sight", make, frames, Slot(1))
    worker.start()
    until(lambda: worker.failing is not None)
    frames.close()
    assert worker.join(5.0)
    assert caplog.messages == [f"sight failed: {told}"]


@pytest.mark.parametrize(("error", "pause_s"), [(ValueError("broken"), 1.0), (ModelMissing("no file"), 10.0)])
def test_a_fault_is_followed_by_a_pause(monkeypatch: pytest.MonkeyPatch, error: Exception, pause_s: float) -> None:
    """A second, so that failing on every frame does not burn the board; longer where somebody has to fetch a file."""
    pauses: list[float] = []
    frames: Slot[VideoFrame] = Slot(1)

    def make() -> Breaking:
        raise error

    def pause(_worker: Worker[VideoFrame], seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            frames.close()

    monkeypatch.setattr(Worker, "_drain", pause)
    worker = Worker("sight", make, frames, Slot(1))
    worker.start()
    assert worker.join(5.0)
    assert pauses == [pause_s] * 3
