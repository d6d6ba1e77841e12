"""Keeps one sensor giving frames, whatever the device does.

The sensor lives on a worker thread, since a device call may block for ever; a second thread watches it. A call that
does not come back is abandoned: its thread is left behind, counted, and can deliver nothing any more. A live sensor
that fails, stalls or is unplugged is opened anew after a pause with full jitter. Muting closes the device.
"""

from __future__ import annotations

import logging
import math
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from edge.clock import now_s
from edge.sensors._life import READ_S, Life, Limits
from edge.sensors.base import Sensor, without_password
from edge.slots import Slot
from edge.types import AudioFrame, Frame, VideoFrame

log = logging.getLogger(__name__)

T = TypeVar("T")
State = Literal["starting", "running", "failing", "stopped", "muted"]

_LOOK_S = 0.2  # between two looks at a device that works; its end is noticed at once
_CLOSE_S = 2.0  # how long closing may take before the device counts as hung
_STABLE_S = 5.0  # a device that has given frames for so long has recovered: pauses start small again
_MOST_HUNG = 4  # threads left behind that still hang: each holds memory, so no more are started


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorHealth:
    """What one sensor is doing. `age_ms`: since its last frame, None before the first. The rest are counts."""

    uri: str
    state: State
    reason: str | None
    age_ms: float | None
    frames: int
    reopened: int
    stalled: int
    abandoned: int
    damaged: int


class Supervised:
    """Runs one sensor into `audio` and `video`, from `start` to `stop`.

    `make` gives a fresh sensor for each opening. `lossless`: wait for room in the slots instead of dropping (an
    unpaced file). `stall_s`: a live sensor without a frame for so long is reopened. `open_s`: how long opening, and
    the first frame after it, may take. `on_state` is called on each change of state, on the watching thread.
    """

    def __init__(
        self,
        make: Callable[[], Sensor],
        *,
        audio: Slot[AudioFrame] | None = None,
        video: Slot[VideoFrame] | None = None,
        lossless: bool = False,
        stall_s: float = 3.0,
        open_s: float = 10.0,
        pause_s: float = 0.5,
        longest_pause_s: float = 8.0,
        on_state: Callable[[Supervised], None] | None = None,
    ) -> None:
        self._make = make
        self._first: Sensor | None = make()  # a wrong URI fails here, not in a thread
        self.uri = without_password(self._first.uri)
        self.live = self._first.live
        self.state: State = "starting"
        self.reason: str | None = None
        self.frames = self.reopened = self.stalled = self.abandoned = 0
        self._damaged_before = 0  # in openings that are over
        self.has_audio, self.has_video = self._first.has_audio, self._first.has_video
        self._audio, self._video, self._lossless = audio, video, lossless
        self._limits = Limits(open_s, stall_s)
        self._pause_s, self._longest_pause_s = pause_s, longest_pause_s
        self._on_state = on_state
        self._lock = threading.Lock()
        self._life: Life | None = None
        self._hung: list[Life] = []
        self._last_frame_s: float | None = None
        self._wake = threading.Condition()
        self._stopping = self._muted = False
        self._closed_by_mute = self._over = False
        self._thread = threading.Thread(target=self._watch, name=f"watch {self.uri}", daemon=True)

    def start(self) -> None:
        """Begin. Returns at once; `state` tells how it goes."""
        self._thread.start()

    def stop(self, timeout_s: float = 3.0) -> None:
        """Close the device and end the threads. A device that does not let go is left behind."""
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        with self._lock:
            if self._life is not None:
                self._life.stop.set()  # a device that works ends its life now; only a hung one is waited for
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it has stopped (a file's end); whether it has."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def mute(self, timeout_s: float = 3.0) -> bool:
        """Close the device; no frame comes after this returns. False: a hung driver still holds the device open."""
        with self._lock:
            if self._life is not None:
                self._life.stop.set()  # from here on nothing is delivered, even if the device does not let go in time
        return self._turn(muted=True, timeout_s=timeout_s) and not self.capturing

    def unmute(self, timeout_s: float = 3.0) -> bool:
        """Let the device be opened again; frames follow when `state` is running. False: it was stopped meanwhile."""
        return self._turn(muted=False, timeout_s=timeout_s) and not self._over

    @property
    def capturing(self) -> bool:
        """Whether a device may be open, be it in a thread that was left behind: what a capture light must show."""
        with self._lock:
            return self._life is not None or any(not life.done.is_set() for life in self._hung)

    @property
    def damaged(self) -> int:
        """Packets or pictures that came broken and were skipped."""
        life = self._life
        return self._damaged_before + (life.sensor.damaged if life is not None else 0)

    def health(self) -> SensorHealth:
        """What it is doing now."""
        last_s = self._last_frame_s
        return SensorHealth(
            uri=self.uri,
            state=self.state,
            reason=self.reason,
            age_ms=None if last_s is None else (now_s() - last_s) * 1000,
            frames=self.frames,
            reopened=self.reopened,
            stalled=self.stalled,
            abandoned=self.abandoned,
            damaged=self.damaged,
        )

    # ------------------------------------------------------------ the watching thread

    def _watch(self) -> None:
        try:
            self._run()
        except Exception as error:  # a fault of ours must be seen, not end a thread in silence
            log.exception("watching %s ended", self.uri)
            self._become("stopped", f"internal fault: {type(error).__name__}: {error}")
        finally:
            with self._wake:
                self._over = True
                self._wake.notify_all()

    def _run(self) -> None:
        failures = 0
        while not self._stopping:
            with self._wake:
                muted = self._closed_by_mute = self._muted  # in one step: nothing is opened once `mute` has returned
                self._wake.notify_all()
            if muted:
                held = self.capturing
                self._become("muted", "a hung driver still holds the device open: unplug it" if held else None)
                self._sleep(0.2 if held else None, until=lambda: not self._muted)
                continue
            if sum(not life.done.is_set() for life in self._hung) >= _MOST_HUNG:
                self._become("failing", f"{_MOST_HUNG} calls to the device hang: unplug it, or restart")
                self._sleep(1.0)
                continue
            life = self._begin()
            fault = self._follow(life)
            self._end(life)
            if life.ended or (fault and not self.live):
                self._become("stopped", fault)
                return
            if fault is None:  # asked to stop or to mute
                continue
            failures = 1 if life.lived_s > _STABLE_S else failures + 1
            self._become("failing", fault)
            most_s = min(self._longest_pause_s, self._pause_s * 2 ** min(failures - 1, 16))
            self._sleep(random.uniform(0, most_s), until=lambda: self._muted)  # noqa: S311 - spreads load, hides nothing
            self.reopened += 1
        self._become("stopped", None)

    def _begin(self) -> Life:
        sensor, self._first = self._first or self._make(), None
        video = self._video
        life = Life(sensor, self._limits, self._deliver, lambda: -math.inf if video is None else video.rests_until_s)
        with self._lock:
            self._life = life
        if self.state != "failing":
            self._become("starting", None)
        life.start()
        return life

    def _follow(self, life: Life) -> str | None:
        """Watch one life until it ends; why it did, or None when asked to."""
        while not (life.done.wait(_LOOK_S) or self._stopping or self._muted):
            if life.first_frame_s is not None and self.state != "running":
                self._become("running", life.fault)
            if life.hung:
                return "the device does not answer: unplug it and plug it in again"
        return life.fault

    def _end(self, life: Life) -> None:
        life.stop.set()
        self.stalled += life.stalled
        done = life.done.wait(READ_S + _CLOSE_S)
        with self._lock:
            self._life = None
            self._damaged_before += life.sensor.damaged
            self._hung = [one for one in self._hung if not one.done.is_set()]
            if not done:
                self._hung.append(life)
                self.abandoned += 1
                log.warning("a call to %s hangs; its thread is left behind", self.uri)

    def _sleep(self, seconds: float | None, until: Callable[[], bool] = lambda: False) -> None:
        with self._wake:
            self._wake.wait_for(lambda: self._stopping or until(), seconds)

    def _turn(self, *, muted: bool, timeout_s: float) -> bool:
        with self._wake:
            self._muted = muted
            self._wake.notify_all()
            if self._thread.ident is None:
                return True
            return self._wake.wait_for(lambda: self._over or self._closed_by_mute == muted, timeout_s)

    def _become(self, state: State, reason: str | None) -> None:
        if (state, reason) == (self.state, self.reason):
            return
        self.state, self.reason = state, reason
        log.info("%s: %s%s", self.uri, state, f" ({reason})" if reason else "")
        if self._on_state is not None:
            try:
                self._on_state(self)
            except Exception:
                log.exception("the listener to %s failed", self.uri)

    # ------------------------------------------------------------ called on the sensor's own thread

    def _deliver(self, life: Life, frame: Frame) -> None:
        with self._lock:
            if life is not self._life or life.stop.is_set():
                return  # abandoned or muted meanwhile
            self.frames += 1
            self.has_audio, self.has_video = life.sensor.has_audio, life.sensor.has_video
            self._last_frame_s = now_s()
        if isinstance(frame, AudioFrame):
            self._put(life, self._audio, frame)
        else:
            self._put(life, self._video, frame)

    def _put(self, life: Life, slot: Slot[T] | None, frame: T) -> None:
        if slot is None:
            return
        if not self._lossless:
            slot.put(frame)
            return
        while not (life.stop.is_set() or slot.closed or slot.put_wait(frame, READ_S)):
            pass
