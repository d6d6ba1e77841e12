"""One opening of a sensor, on a thread of its own, since a device call may block for ever."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from edge.clock import now_s
from edge.errors import MienError
from edge.sensors.base import EndOfStream, Resting, Sensor, without_password
from edge.types import Frame

log = logging.getLogger(__name__)

READ_S = 0.1  # how long one read may wait: the longest that muting waits for a device that works


@dataclass(frozen=True, slots=True)
class Limits:
    """`open_s`: how long opening, and the first frame after it, may take. `stall_s`: the longest pause after that."""

    open_s: float
    stall_s: float


class Life:
    """Opens, reads and closes `sensor`; nobody else touches it. `deliver(life, frame)` is called for each frame.

    `pictures_from_s` tells before when pictures are not wanted.
    """

    def __init__(
        self,
        sensor: Sensor,
        limits: Limits,
        deliver: Callable[[Life, Frame], None],
        pictures_from_s: Callable[[], float] = lambda: float("-inf"),
    ) -> None:
        self.sensor = sensor
        self.stop = threading.Event()
        self.done = threading.Event()  # the sensor is closed, and this thread over
        self.first_frame_s: float | None = None
        self.fault: str | None = None  # why it ended, or what was wrong with the file
        self.ended = False  # by the end of its input
        self.stalled = False
        self._limits = limits
        self._deliver = deliver
        self._pictures_from_s = pictures_from_s
        self._call_deadline_s: float | None = None  # when the running device call must have come back

    def start(self) -> None:
        """Begin."""
        name = f"read {without_password(self.sensor.uri)}"
        threading.Thread(target=self._run, name=name, daemon=True).start()

    @property
    def hung(self) -> bool:
        """Whether a device call has not come back in time."""
        deadline_s = self._call_deadline_s
        return deadline_s is not None and now_s() > deadline_s

    @property
    def lived_s(self) -> float:
        """Seconds since its first frame; 0 before it."""
        return 0.0 if self.first_frame_s is None else now_s() - self.first_frame_s

    def _run(self) -> None:
        uri = without_password(self.sensor.uri)
        try:
            self._capture()
        except EndOfStream:
            self.ended = True
            if self.fault is None and self.sensor.damaged:
                self.fault = f"{self.sensor.damaged} parts of it could not be decoded"
        except MienError as error:
            self.fault = without_password(str(error))
        except Exception as error:
            log.exception("%s failed", uri)
            self.fault = f"internal fault: {type(error).__name__}: {error}"
        finally:
            try:
                self._call_deadline_s = now_s() + self._limits.stall_s
                self.sensor.close()
            except Exception:
                log.exception("%s cannot be closed", uri)
            self.done.set()

    def _capture(self) -> None:
        sensor, limits = self.sensor, self._limits
        self._call_deadline_s = now_s() + limits.open_s
        sensor.open()
        frame_due_s = now_s() + limits.open_s
        resting = sensor if isinstance(sensor, Resting) else None
        while not self.stop.is_set():
            if resting is not None:
                resting.rest(self._pictures_from_s())
            patience_s = limits.open_s if self.first_frame_s is None else limits.stall_s
            self._call_deadline_s = now_s() + READ_S + patience_s
            try:
                frame = sensor.read(READ_S)
            except MienError as error:
                if sensor.live or self.fault is not None:
                    raise
                self.fault = str(error)  # a broken file: what follows is its end
                continue
            self._call_deadline_s = None
            if frame is not None:
                frame_due_s = now_s() + limits.stall_s
                if self.first_frame_s is None:
                    self.first_frame_s = now_s()
                self._deliver(self, frame)
            elif sensor.live and now_s() > frame_due_s:
                self.stalled = True
                self.fault = "no frame comes from the device: check its cable"
                return
