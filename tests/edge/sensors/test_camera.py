"""A camera opens, or the message says why not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge import clock
from edge.errors import ConfigError, SensorMissing
from edge.sensors.base import Resting, from_text
from tests.edge.sensors.media import make


@pytest.mark.parametrize("uri", ["camera://97", "camera:///dev/video97"])
def test_no_camera_on_this_machine(uri: str) -> None:
    """A number or path that is not there: what there is instead, and the mend."""
    with pytest.raises(SensorMissing, match=r"/dev/video97 is not there; this machine has .*: plug one in"):
        from_text(uri).open()


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (13, "usermod -aG video"),  # EACCES
        (1, "give the container the device"),  # EPERM: a container's device rules
        (16, "in use"),  # EBUSY
        (19, "is not there"),  # ENODEV
    ],
)
def test_each_refusal_of_the_system_has_its_own_mend(monkeypatch: pytest.MonkeyPatch, number: int, words: str) -> None:
    """No permission, another program, no device: OpenCV calls all of them "not opened"; we do not."""

    def refuse(path: str, flags: int) -> int:
        raise OSError(number, os.strerror(number), path)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(SensorMissing, match=words):
        from_text("camera://0").open()


def test_a_device_that_is_no_camera() -> None:
    """What opens but gives no pictures is told at open, not at the first read."""
    with pytest.raises(SensorMissing, match="gives no pictures"):
        from_text("camera:///dev/null").open()


@pytest.mark.parametrize(
    "uri",
    ["camera://front", "camera://0?format=H264", "camera://0?width=0", "camera://0?fps=fast", "camera://0?zoom=2"],
)
def test_wrong_options_are_told_before_anything_opens(uri: str) -> None:
    """A wrong option is one ConfigError that names it."""
    with pytest.raises(ConfigError, match="camera"):
        from_text(uri)


class Driver:
    """OpenCV's own decoder behind the Video4Linux door, the outermost seam: no kernel module can be loaded here."""

    def __init__(self, clip: Path, stamps: str) -> None:
        self._real = cv2.VideoCapture(str(clip))
        self._stamps = stamps
        self.asked: dict[int, float] = {}

    def set(self, key: int, value: float) -> bool:
        self.asked[key] = value
        return True

    def get(self, key: int) -> float:
        assert key == cv2.CAP_PROP_POS_MSEC
        return (clock.now_s() - 0.02) * 1000 if self._stamps == "monotonic" else 40.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


@pytest.mark.parametrize("stamps", ["monotonic", "media time"])
def test_pictures_carry_their_capture_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stamps: str) -> None:
    """The driver's own stamp where it is on our clock, else the time of arrival; the end of pictures is an error."""
    clip = make(tmp_path / "a.avi", video="mjpeg", audio=None, seconds=0.4)
    driver = Driver(clip, stamps)
    monkeypatch.setattr(cv2, "VideoCapture", lambda *_: driver)
    monkeypatch.setattr(os, "open", lambda *_: os.dup(0))
    camera = from_text("camera://0?width=320&height=240&fps=15&format=MJPG")
    camera.open()
    assert driver.asked[cv2.CAP_PROP_FRAME_WIDTH] == 320
    assert driver.asked[cv2.CAP_PROP_FPS] == 15
    assert driver.asked[cv2.CAP_PROP_FOURCC] == cv2.VideoWriter.fourcc(*"MJPG")
    before_s = clock.now_s()
    frame = camera.read(0.1)
    assert frame is not None
    age_s = clock.now_s() - frame.t_s
    assert age_s >= 0.02 if stamps == "monotonic" else frame.t_s >= before_s
    assert frame.pixels.shape == (120, 160, 3)
    assert frame.pixels.dtype == np.uint8
    for _ in range(9):
        camera.read(0.1)
    with pytest.raises(SensorMissing, match="stopped giving pictures"):
        camera.read(0.1)
    camera.close()
    camera.close()


def test_while_nobody_wants_pictures_none_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A camera that rests empties the driver's queue, so that the next picture is a new one, and does no more."""
    driver = Driver(make(tmp_path / "a.avi", video="mjpeg", audio=None, seconds=0.4), "monotonic")
    decoded: list[bool] = []
    retrieve = driver._real.retrieve
    monkeypatch.setattr(driver, "retrieve", lambda: (decoded.append(True), retrieve())[1], raising=False)
    monkeypatch.setattr(cv2, "VideoCapture", lambda *_: driver)
    monkeypatch.setattr(os, "open", lambda *_: os.dup(0))
    camera = from_text("camera://0")
    camera.open()
    assert isinstance(camera, Resting)
    camera.rest(float("inf"))
    for _ in range(4):
        assert camera.read(0.0) is None
    assert not decoded
    camera.rest(float("-inf"))
    frame = camera.read(0.0)
    assert frame is not None
    assert frame.seq == 4
    assert len(decoded) == 1
