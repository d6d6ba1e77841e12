"""A device that is plugged in, unplugged and hung by a test, behind the real Sensor protocol."""

from __future__ import annotations

import threading
import time

import numpy as np

from edge.clock import now_s
from edge.errors import SensorMissing
from edge.types import Frame, VideoFrame


class FakeDevice:
    """The hardware: shared by all sensors that open it. `holders`: how many hold it open now."""

    def __init__(self) -> None:
        self.plugged = True
        self.silent = False
        self.hang_reads = 0  # so many of the next reads block …
        self.hanging = 0  # … as so many have done …
        self.release = threading.Event()  # … until this is set
        self.holders = 0
        self.opened = 0
        self.open_times: list[float] = []

    def sensor(self) -> FakeSensor:
        return FakeSensor(self)


class FakeSensor:
    uri = "fake://user:secret@0"
    live = True
    has_audio = False
    has_video = True
    damaged = 0

    def __init__(self, device: FakeDevice) -> None:
        self._device = device
        self._held = False
        self._seq = 0

    def open(self) -> None:
        self._device.open_times.append(now_s())
        if not self._device.plugged:
            raise SensorMissing("no camera 0: plug one in")
        self._held = True
        self._device.holders += 1
        self._device.opened += 1

    def read(self, timeout_s: float) -> Frame | None:
        if self._device.hang_reads:
            self._device.hang_reads -= 1
            self._device.hanging += 1
            self._device.release.wait()
        if not self._device.plugged:
            raise SensorMissing("fake://user:secret@0 was unplugged: plug it in again")
        if self._device.silent:
            time.sleep(timeout_s)
            return None
        time.sleep(0.005)
        self._seq += 1
        return VideoFrame(self.uri, self._seq, now_s(), np.zeros((2, 2, 3), np.uint8))

    def close(self) -> None:
        if self._held:
            self._held = False
            self._device.holders -= 1
