"""A supervised sensor keeps giving frames, or says why it cannot."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge.errors import ConfigError
from edge.sensors import supervise
from edge.sensors.base import EndOfStream, from_text
from edge.sensors.file import FileSensor
from edge.sensors.supervise import Supervised
from edge.slots import Slot
from edge.types import AudioFrame, Frame, VideoFrame
from tests.edge.sensors.fake_device import FakeDevice
from tests.sim.wait import until


@pytest.fixture
def device() -> Iterator[FakeDevice]:
    device = FakeDevice()
    yield device
    device.release.set()


@pytest.fixture
def slot() -> Slot[VideoFrame]:
    return Slot()


@pytest.fixture
def reasons() -> list[str]:
    return []


@pytest.fixture
def supervised(device: FakeDevice, slot: Slot[VideoFrame], reasons: list[str]) -> Iterator[Supervised]:
    made = Supervised(
        device.sensor,
        video=slot,
        stall_s=1.0,
        open_s=2.0,
        pause_s=0.02,
        longest_pause_s=0.1,
        on_state=lambda one: reasons.append(one.reason or ""),
    )
    made.start()
    yield made
    device.release.set()
    made.stop()


def test_frames_reach_the_slot_and_the_state_says_running(supervised: Supervised, slot: Slot[VideoFrame]) -> None:
    """A working device is `running`, its frames lie in the slot, and a slow reader loses the old ones, counted."""
    until(lambda: supervised.state == "running" and slot.dropped > 3)
    assert slot.take(1.0) is not None
    health = supervised.health()
    assert health.reason is None
    assert health.frames > 3
    assert health.age_ms is not None
    assert supervised.capturing


def test_unplugged_device_comes_back_by_itself(supervised: Supervised, device: FakeDevice) -> None:
    """Unplugging shows as `failing` with the cause; plugging in again needs nobody's help."""
    until(lambda: supervised.state == "running")
    device.plugged = False
    until(lambda: supervised.state == "failing")
    assert "plug" in (supervised.reason or "")
    device.plugged = True
    until(lambda: supervised.state == "running")
    assert supervised.reopened >= 1
    assert device.holders == 1


def test_passwords_stay_out_of_names_and_reasons(
    supervised: Supervised, device: FakeDevice, reasons: list[str]
) -> None:
    """Health, logs and messages never repeat the password of a camera's address."""
    until(lambda: supervised.state == "running")
    device.plugged = False
    until(lambda: any("unplugged" in reason for reason in reasons))
    assert "secret" not in f"{supervised.health()} {reasons} {[thread.name for thread in threading.enumerate()]}"


def test_a_hung_read_is_abandoned_and_the_device_reopened(
    supervised: Supervised, device: FakeDevice, reasons: list[str]
) -> None:
    """A read that never returns costs one thread, not the sensor; when it does return it delivers nothing."""
    until(lambda: supervised.state == "running")
    device.hang_reads = 1
    until(lambda: any("does not answer" in reason for reason in reasons))
    until(lambda: supervised.abandoned == 1 and supervised.state == "running")
    assert device.holders == 2  # the hung thread still holds the device, and the health says so
    device.release.set()
    until(lambda: device.holders == 1)
    assert supervised.state == "running"


def test_hung_threads_are_bounded(device: FakeDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that hangs every time does not fill the memory with threads."""
    monkeypatch.setattr(supervise, "_CLOSE_S", 0.1)
    device.hang_reads = 1000
    supervised = Supervised(device.sensor, stall_s=0.02, open_s=0.02, pause_s=0.01, longest_pause_s=0.01)
    supervised.start()
    until(lambda: "hang" in (supervised.reason or ""), 60)
    assert supervised.abandoned == 4
    opened = device.opened
    time.sleep(1.2)
    assert device.opened == opened
    device.release.set()
    supervised.stop()


def test_a_device_that_gives_nothing_is_reopened(supervised: Supervised, device: FakeDevice) -> None:
    """Frames have an age limit: a stream that goes silent without an error counts as stalled."""
    until(lambda: supervised.state == "running")
    device.silent = True
    until(lambda: supervised.stalled >= 1)
    device.silent = False
    until(lambda: device.opened >= 2 and supervised.state == "running")


def test_mute_closes_the_device(supervised: Supervised, device: FakeDevice, slot: Slot[VideoFrame]) -> None:
    """Muted means closed: nobody holds the device, no frame arrives, and the capture light may go out."""
    until(lambda: supervised.state == "running")
    assert supervised.mute()
    assert device.holders == 0
    assert not supervised.capturing
    frames = supervised.frames
    time.sleep(0.1)
    assert (supervised.frames, supervised.state) == (frames, "muted")
    assert supervised.unmute()
    until(lambda: supervised.state == "running")
    assert device.holders == 1


def test_mute_tells_the_truth_about_a_device_that_hangs(supervised: Supervised, device: FakeDevice) -> None:
    """Where a driver does not let go, mute says so, the light stays on, and it goes out once the device is closed."""
    until(lambda: supervised.state == "running")
    device.hang_reads = 1
    until(lambda: device.hanging)
    assert not supervised.mute(timeout_s=0.2)
    until(lambda: supervised.state == "muted")
    assert supervised.capturing
    assert "holds the device" in (supervised.reason or "")
    device.release.set()
    until(lambda: not supervised.capturing and supervised.reason is None)
    assert supervised.mute()


def test_mute_before_start_opens_nothing(device: FakeDevice) -> None:
    """A device that was muted before the start is never touched."""
    supervised = Supervised(device.sensor)
    assert supervised.mute()
    supervised.start()
    until(lambda: supervised.state == "muted")
    assert device.opened == 0
    supervised.stop()


def test_pauses_between_openings_are_jittered(device: FakeDevice) -> None:
    """Many devices that lose their source do not all knock again at the same moment, not even at the first retry."""
    device.plugged = False
    many = [Supervised(device.sensor, pause_s=0.5, longest_pause_s=1.0) for _ in range(12)]
    for one in many:
        one.start()
    until(lambda: len(device.open_times) >= 24)
    for one in many:
        one.stop()
    retries = sorted(device.open_times)[12:24]
    assert retries[-1] - retries[0] > 0.1


def test_a_fault_of_ours_is_seen(device: FakeDevice) -> None:
    """An exception that no one foresaw shows in the reason; no thread dies in silence."""

    class Broken(type(device.sensor())):  # type: ignore[misc]
        def read(self, timeout_s: float) -> Frame | None:
            raise ZeroDivisionError("why")

    supervised = Supervised(lambda: Broken(device), pause_s=0.01, longest_pause_s=0.02)
    supervised.start()
    until(lambda: supervised.state == "failing")
    assert supervised.reason == "internal fault: ZeroDivisionError: why"
    supervised.stop()
    assert device.holders == 0


def test_the_listener_hears_each_change(device: FakeDevice) -> None:
    """A capture light can follow the states without asking again and again."""
    heard: list[str] = []
    supervised = Supervised(device.sensor, on_state=lambda one: heard.append(one.state))
    supervised.start()
    until(lambda: supervised.state == "running")
    supervised.mute()
    supervised.stop()
    assert heard == ["running", "muted", "stopped"]


def test_an_unpaced_file_loses_nothing(tmp_path: Path) -> None:
    """Lossless: a reader far slower than the decoder still gets every block, then the end."""
    file = tmp_path / "tone.wav"
    soundfile.write(file, np.full(16_000, 0.5, np.float32), 16_000)
    slot: Slot[AudioFrame] = Slot(2)
    supervised = Supervised(lambda: FileSensor(file, paced=False), audio=slot, lossless=True)
    supervised.start()
    total = 0
    while not (supervised.state == "stopped" and len(slot) == 0):
        block = slot.take(0.05)
        total += 0 if block is None else len(block.samples)
    assert total == 16_000
    assert slot.dropped == 0
    assert supervised.wait(1.0)
    assert supervised.reason is None


def test_a_broken_file_stops_with_its_reason_and_is_not_reopened(tmp_path: Path) -> None:
    """Of a file that breaks off everything decodable arrives, and the state says what is wrong."""
    file = tmp_path / "noise.flac"
    soundfile.write(file, np.random.default_rng(1).uniform(-0.5, 0.5, 32_000), 16_000)
    file.write_bytes(file.read_bytes()[:35_000])
    slot: Slot[AudioFrame] = Slot(100)
    supervised = Supervised(lambda: FileSensor(file, paced=False), audio=slot, lossless=True)
    supervised.start()
    assert supervised.wait(20.0)
    assert supervised.state == "stopped"
    assert "breaks off" in (supervised.reason or "")
    assert supervised.reopened == 0
    assert len(slot) > 25


def test_a_wrong_option_fails_at_once() -> None:
    """A URI that cannot work is told to the caller, not to a thread."""
    with pytest.raises(ConfigError, match="does not know the option 'colour'"):
        Supervised(lambda: from_text("camera://0?colour=red"))


def test_the_end_of_a_device_stream_is_an_end(device: FakeDevice) -> None:
    """EndOfStream stops the sensor without a reason: nothing is wrong."""

    class Ending(type(device.sensor())):  # type: ignore[misc]
        def read(self, timeout_s: float) -> Frame | None:
            raise EndOfStream("over")

    supervised = Supervised(lambda: Ending(device))
    supervised.start()
    assert supervised.wait(20.0)
    assert (supervised.state, supervised.reason) == ("stopped", None)
