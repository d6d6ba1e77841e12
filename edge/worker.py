"""One detector on its own thread: frames from a slot, observations to a slot; a fault degrades, and is seen."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from edge import clock
from edge.meter import Latency
from edge.slots import Slot
from edge.types import AudioFrame, FaceSeen, Observation, VideoFrame
from models.errors import ModelError, ModelMissing

log = logging.getLogger(__name__)

F = TypeVar("F", bound=AudioFrame | VideoFrame)
F_contra = TypeVar("F_contra", bound=AudioFrame | VideoFrame, contravariant=True)

_PAUSE_S = 1.0  # after a fault: a detector that fails on every frame must not burn the board
_LONG_PAUSE_S = 10.0  # where a model's file is not there: somebody has to fetch it


class Detector(Protocol[F_contra]):
    """What a worker runs: hearing or sight."""

    def feed(self, frame: F_contra) -> Sequence[Observation]:
        """What this frame shows."""

    def reset(self) -> None:
        """Forget the running stream."""


class Worker(Generic[F]):
    """Feeds `make()`'s detector from `frames`; each frame's observations go to `found` as one batch.

    The detector is made on the worker's thread (loading takes time) and made anew after a fault. `failing` is the
    reason why nothing comes now, or None; what comes meanwhile is counted in `dropped`. `latency` runs from the capture
    of a frame's last sample to its batch. `rest` tells for how many seconds after the frame just fed no other is
    wanted.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[], Detector[F]],
        frames: Slot[F],
        found: Slot[Sequence[Observation]],
        *,
        tune: Callable[[Detector[F]], None] | None = None,
        rest: Callable[[Detector[F]], float] | None = None,
    ) -> None:
        self.name = name
        self.latency = Latency()
        self.frames = 0
        self.faces = 0  # frames that show one
        self.faults = self.dropped = 0
        self.failing: str | None = None
        self.ready = threading.Event()
        self._make = make
        self._slot = frames
        self._found = found
        self._tune, self._rest = tune, rest
        self._detector: Detector[F] | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin; ends when the slot is closed and empty."""
        self._thread.start()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end; whether it came."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def detector(self) -> Detector[F] | None:
        """The running detector; to be read only after `join`."""
        return self._detector

    def _run(self) -> None:
        while not (self._slot.closed and not len(self._slot)):
            made = False
            try:
                self._detector = self._make()
                made = True
                self.ready.set()
                self._loop(self._detector)
                return
            except Exception as error:  # any fault of a detector is a visible degradation, never the end of the loop
                self.faults += 1
                before, self.failing = self.failing, f"{type(error).__name__}: {error}"
                self.ready.set()
                if self.failing != before:  # once, however often it is tried
                    told = error if isinstance(error, ModelError) else type(error).__name__  # which may quote input
                    log.warning("%s failed: %s", self.name, told)
                if self._slot.closed and not made:  # else what still lies there would have it tried for ever
                    self.dropped += self._slot.take(0.0) is not None
                self._drain(_LONG_PAUSE_S if isinstance(error, ModelMissing) else _PAUSE_S)

    def _loop(self, detector: Detector[F]) -> None:
        while True:
            frame = self._slot.take(0.25)
            if frame is None:
                if self._slot.closed and not len(self._slot):
                    return
                continue
            if self._tune is not None:
                self._tune(detector)
            observations = detector.feed(frame)
            self.failing = None
            self.frames += 1
            self.faces += any(isinstance(one, FaceSeen) for one in observations)
            end_s = frame.end_s if isinstance(frame, AudioFrame) else frame.t_s
            self.latency.add(max(0.0, clock.now_s() - end_s))
            if observations:
                self._found.put(observations)
            if self._rest is not None and (rest_s := self._rest(detector)) > 0:
                self._slot.rest(frame.t_s + rest_s)

    def _drain(self, seconds: float) -> None:
        end_s = clock.now_s() + seconds
        while clock.now_s() < end_s and not self._slot.closed:
            self.dropped += self._slot.take(max(0.01, end_s - clock.now_s())) is not None
