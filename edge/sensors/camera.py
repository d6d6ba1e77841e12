"""`camera://0` or `camera:///dev/video2`: a USB or built-in camera, by OpenCV.

Options: `?width=640&height=480&fps=30&format=YUYV`. YUYV needs no JPEG decoding (2.7 ms a picture on one core); where
a camera is fast enough only in JPEG, ask for `format=MJPG`.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import cv2
import numpy as np

from edge import clock
from edge.errors import ConfigError, SensorMissing
from edge.plugin import Uri
from edge.sensors.base import options, positive
from edge.types import VideoFrame


def from_uri(uri: Uri, *, paced: bool = True) -> Camera:
    """The camera that `uri` names by number or path. Raises ConfigError."""
    chosen = options(uri, width="640", height="480", fps="30", format="YUYV")
    if chosen["format"] not in {"YUYV", "MJPG"}:
        raise ConfigError(f"{uri.text}: format is YUYV or MJPG")
    device = uri.path or uri.host or "0"
    if not device.isdigit() and not device.startswith("/"):
        raise ConfigError(f"{uri.text}: name a camera by number (camera://0) or path (camera:///dev/video0)")
    width, height, fps = (positive(uri, key, chosen[key]) for key in ("width", "height", "fps"))
    return Camera(uri.text, device, width=width, height=height, fps=fps, pixel_format=chosen["format"])


class Camera:
    """A camera that OpenCV can open. `device`: its number, or its path."""

    live = True
    has_audio = False
    has_video = True
    damaged = 0  # the driver drops broken pictures itself

    def __init__(self, uri: str, device: str, *, width: int, height: int, fps: int, pixel_format: str) -> None:
        self.uri = uri
        self._device, self._width, self._height, self._fps, self._format = device, width, height, fps, pixel_format
        self._capture: cv2.VideoCapture | None = None
        self._seq = 0
        self._pictures_from_s = float("-inf")  # nobody wants those before

    def open(self) -> None:
        """Open the camera. Raises SensorMissing: not there, no permission, in use, or not a camera."""
        self.close()
        source: int | str = int(self._device) if self._device.isdigit() else self._device
        backend = cv2.CAP_ANY
        if sys.platform == "linux":
            source = f"/dev/video{source}" if isinstance(source, int) else source
            _must_be_free(source)
            backend = cv2.CAP_V4L2
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)  # its warnings repeat our errors, less clearly
        capture = cv2.VideoCapture(source, backend)
        if not capture.isOpened():
            capture.release()
            raise SensorMissing(f"{source} gives no pictures: try another number, or see `v4l2-ctl --list-devices`")
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*self._format))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, self._width)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, self._height)
        capture.set(cv2.CAP_PROP_FPS, self._fps)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 2)  # a longer queue only makes pictures old
        self._capture, self._seq = capture, 0

    def read(self, timeout_s: float) -> VideoFrame | None:
        """The next picture; blocks for as long as the driver does. Raises SensorMissing when the camera is gone."""
        if self._capture is None:
            raise SensorMissing(f"{self.uri} is not open")
        end_s = clock.now_s() + timeout_s
        while True:
            grabbed, now_s = self._capture.grab(), clock.now_s()
            if not grabbed:
                raise self._gone()
            # Video4Linux stamps each buffer by the monotonic clock when it was captured; other back ends count from 0.
            stamp_s = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            self._seq += 1
            t_s = stamp_s if 0 <= now_s - stamp_s < 1 else now_s
            if t_s >= self._pictures_from_s:
                break
            if now_s >= end_s:
                return None
        good, pixels = self._capture.retrieve()
        if not good or pixels is None or pixels.size == 0:
            raise self._gone()
        return VideoFrame(self.uri, self._seq - 1, t_s, np.ascontiguousarray(pixels, np.uint8))

    def rest(self, until_s: float) -> None:
        """Leave out pictures before `until_s`: they are taken from the driver, but neither decoded nor converted."""
        self._pictures_from_s = until_s

    def _gone(self) -> SensorMissing:
        return SensorMissing(f"{self.uri} stopped giving pictures: plug it in again")

    def close(self) -> None:
        """Let go of the camera."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None


def _must_be_free(device: str) -> None:
    """Raise SensorMissing with the cause that OpenCV would hide."""
    try:
        os.close(os.open(device, os.O_RDWR | os.O_NONBLOCK))
    except OSError as error:
        there = ", ".join(sorted(map(str, Path("/dev").glob("video*")))) or "no camera at all"
        causes = {
            errno.EACCES: f"no permission to open {device}: `sudo usermod -aG video $USER`, then log in again",
            errno.EPERM: f"no permission to open {device}: give the container the device (`--device {device}`)",
            errno.EBUSY: f"{device} is in use: end the other program (`fuser {device}` names it)",
        }
        what = causes.get(error.errno or 0, f"{device} is not there; this machine has {there}: plug one in")
        raise SensorMissing(what) from error
