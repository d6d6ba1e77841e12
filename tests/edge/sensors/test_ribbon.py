"""Ribbon cameras come through their maker's program: a real process, its stream, its end, its silence."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from edge.errors import ConfigError, SensorMissing
from edge.sensors.base import Resting, from_text
from edge.sensors.supervise import Supervised
from edge.slots import Slot
from edge.types import VideoFrame
from tests.edge.sensors import rpicam
from tests.edge.sensors.media import read_nothing
from tests.sim.wait import until


@pytest.fixture
def program(tmp_path: Path) -> str:
    """The speaking program as an executable file, as a user would have `rpicam-vid`."""
    path = tmp_path / "rpicam-vid"
    path.write_text(f'#!/bin/sh\nexec {sys.executable} {rpicam.__file__} "$@"\n')
    path.chmod(0o755)
    return str(path)


def children() -> set[str]:
    listed = Path(f"/proc/self/task/{os.getpid()}/children")
    return set(listed.read_text().split()) if listed.exists() else set()


@pytest.mark.parametrize(
    "uri",
    [
        "libcamera://0?width=640&height=480&program={}",
        "libcamera://0?width=780&height=360&program={}",  # padded to 832
        "argus://0?width=1280&height=720&program={}",
    ],
)
def test_pictures_arrive_whole_and_in_their_colours(program: str, uri: str) -> None:
    """Padding is cut off, U and V lie where they belong, the colour range is right, and chat does not get in."""
    camera = from_text(uri.format(program))
    camera.open()
    try:
        frames = [camera.read(20.0) for _ in range(3)]
    finally:
        camera.close()
    for index, frame in enumerate(frames):
        assert frame is not None
        height, width = frame.pixels.shape[:2]
        assert f"width={width}&height={height}" in uri
        assert frame.seq == index
        left, right = frame.pixels[2:, : width // 2 - 4].mean((0, 1)), frame.pixels[2:, width // 2 + 4 :].mean((0, 1))
        if uri.startswith("libcamera"):  # full range: the colours are exact
            np.testing.assert_allclose(left, (0, 0, 255), atol=4)
            np.testing.assert_allclose(right, (255, 0, 0), atol=4)
        else:  # the same numbers read as video range: still red and blue
            assert left[2] > 200 > 60 > left[0]
            assert right[0] > 200 > 60 > right[2]


def test_silence_is_no_frame(program: str) -> None:
    """A read returns within its time when nothing comes."""
    camera = from_text(f"libcamera://0?program={program}")
    camera.open()
    assert camera.read(0.0) is None  # Python has not even started
    camera.close()


def test_the_programs_last_words_are_the_reason(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Why the program ended stands in the error; half a picture is counted, not shown."""
    monkeypatch.setenv("RPICAM_PICTURES", "1")
    monkeypatch.setenv("RPICAM_HALF", "1")
    camera = from_text(f"libcamera://0?program={program}")
    camera.open()
    assert camera.read(20.0) is not None
    with pytest.raises(SensorMissing, match="no cameras available"):
        camera.read(20.0)
    assert camera.damaged == 1
    camera.close()


def test_a_program_that_does_not_end_is_killed(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mute must close the camera even if its program does not listen."""
    monkeypatch.setenv("RPICAM_DEAF", "1")
    before = children()
    camera = from_text(f"libcamera://0?program={program}")
    camera.open()
    assert camera.read(20.0) is not None
    assert children() - before
    camera.close()
    camera.close()
    assert not children() - before


def test_it_comes_back_after_the_program_died(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Supervised, a crashed camera program is started again by itself."""
    monkeypatch.setenv("RPICAM_PICTURES", "3")
    slot: Slot[VideoFrame] = Slot(100)
    uri = f"libcamera://0?width=64&height=64&program={program}"
    supervised = Supervised(lambda: from_text(uri), video=slot, pause_s=0.05, longest_pause_s=0.1)
    supervised.start()
    until(lambda: supervised.reopened >= 2 and supervised.frames >= 6, 60)
    supervised.stop()
    assert not supervised.capturing


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("libcamera://0?program=no-such-program", "apt install rpicam-apps"),
        ("argus://0?program=no-such-program", "JetPack"),
    ],
)
def test_a_board_without_the_program(uri: str, words: str) -> None:
    """The missing program is named with where it comes from."""
    with pytest.raises(SensorMissing, match=words):
        from_text(uri).open()


@pytest.mark.parametrize(
    "uri",
    [
        "libcamera://front",
        "libcamera://0?width=641",
        "libcamera://0?stride=100",
        "libcamera://0?codec=h264",
        "argus://x",
        "argus://0?width=1284",
    ],
)
def test_sizes_that_would_shear_the_picture_are_refused(uri: str) -> None:
    """A size whose line padding is not known would give a sheared picture: it is refused at once."""
    with pytest.raises(ConfigError):
        from_text(uri)


def test_while_nobody_wants_pictures_they_are_read_and_forgotten(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program must not wait for a full pipe, and the first picture that is wanted again is a new one."""
    monkeypatch.setenv("RPICAM_PICTURES", "6")
    camera = from_text(f"libcamera://0?program={program}")
    assert isinstance(camera, Resting)
    camera.open()
    camera.rest(float("inf"))
    with pytest.raises(SensorMissing, match="no cameras available"):
        read_nothing(camera)
    assert camera.damaged == 0
    camera.open()
    camera.rest(float("-inf"))
    assert camera.read(20.0) is not None
    camera.close()
