"""A microphone gives 16 kHz mono with true times, through real PortAudio where a sound server can run."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge import clock, portaudio
from edge.errors import ConfigError, SensorMissing
from edge.sensors.base import BLOCK, Sensor, from_text
from edge.sensors.mic import Microphone
from edge.sensors.supervise import Supervised
from edge.slots import Slot
from edge.types import AudioFrame
from tests.edge.sensors.sound_server import sound_server
from tests.sim.wait import until


def heard(microphone: Sensor, blocks: int) -> list[AudioFrame]:
    got: list[AudioFrame] = []
    end = time.monotonic() + 30
    while len(got) < blocks:
        assert time.monotonic() < end, "nothing was heard"
        frame = microphone.read(0.2)
        if isinstance(frame, AudioFrame):
            got.append(frame)
    return got


def play(folder: Path) -> subprocess.Popen[bytes]:
    soundfile.write(folder / "tone.wav", 0.5 * np.sin(2 * np.pi * 500 * np.arange(48_000 * 60) / 48_000), 48_000)
    return subprocess.Popen(["paplay", str(folder / "tone.wav")])


def loud(got: list[AudioFrame]) -> bool:
    return bool(np.abs(got[-1].samples).max() > 0.1)


@pytest.mark.parametrize("own_rate", [None, 44_100])
def test_it_hears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_rate: int | None) -> None:
    """At 16 kHz, or at the device's own rate and resampled: blocks of 512, the right pitch, times of our clock."""
    if own_rate is not None:  # as a sound card that knows no 16 kHz
        monkeypatch.setattr("edge.sensors.mic._format", lambda *_: (own_rate, 2))
    with sound_server(monkeypatch), play(tmp_path) as player:
        microphone = from_text("mic://default")
        microphone.open()
        try:
            got = heard(microphone, 1)
            end = time.monotonic() + 30
            while not loud(got):
                assert time.monotonic() < end, "the tone was not heard"
                got = heard(microphone, 1)
            got = heard(microphone, 40)
            after_s = clock.now_s()
        finally:
            microphone.close()
            player.terminate()
    assert all(len(one.samples) == BLOCK for one in got)
    assert [one.seq - got[0].seq for one in got] == list(range(40))
    sound = np.concatenate([one.samples for one in got])
    peak_hz = np.abs(np.fft.rfft(sound)).argmax() * 16_000 / len(sound)
    assert peak_hz == pytest.approx(500, abs=2)
    assert np.abs(sound).max() == pytest.approx(0.5, abs=0.05)
    assert after_s - 40 < got[0].t_s < got[-1].end_s <= after_s + 0.05


def test_a_microphone_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong number or name lists those there are."""
    with sound_server(monkeypatch):
        for uri in ("mic://77", "mic://?device=no%20such%20thing"):
            with pytest.raises(SensorMissing, match=r"is not there; there is .*name one as mic://NUMBER"):
                from_text(uri).open()
    assert portaudio._open_streams == 0


def test_no_microphone_at_all() -> None:
    """A machine without any is told so, with what to do."""
    pytest.importorskip("sounddevice", exc_type=OSError, reason="PortAudio is not installed")
    microphone = Microphone(device="no such thing")
    with pytest.raises(SensorMissing, match=r"plug one in|there is"):
        microphone.open()
    microphone.close()


def test_a_microphone_that_comes_later_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PortAudio freezes its list of devices; ours is fresh at each opening, so hot-plug needs no restart."""
    slot: Slot[AudioFrame] = Slot(64)
    monkeypatch.setenv("HOME", str(tmp_path))  # no sound server there yet
    supervised = Supervised(lambda: from_text("mic://default"), audio=slot, pause_s=0.1, longest_pause_s=0.2)
    supervised.start()
    try:
        until(lambda: supervised.state == "failing" and supervised.reopened > 0, 60)
        with sound_server(monkeypatch):
            until(lambda: supervised.state == "running", 60)
            assert supervised.mute()
            assert portaudio._open_streams == 0
            assert supervised.unmute()
            until(lambda: supervised.state == "running", 60)
            supervised.stop()
    finally:
        supervised.stop()


def test_without_portaudio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The C library that is missing is named with its Debian package."""
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "sounddevice", raising=False)
    with pytest.raises(SensorMissing, match="sudo apt install libportaudio2"):
        from_text("mic://default").open()


def test_a_path_is_no_microphone() -> None:
    """A URI that can mean nothing is refused at once."""
    with pytest.raises(ConfigError, match=r"mic://2"):
        from_text("mic:///dev/snd")


def test_lost_sound_is_counted_and_moves_time() -> None:
    """When the reader is late or the driver drops sound, that is counted, and what follows keeps its true time."""
    microphone = Microphone()

    class Times:
        currentTime = 10.0
        inputBufferAdcTime = 9.968

    block = np.full((BLOCK, 1), 0.5, np.float32)
    for _ in range(70):  # nobody reads: 64 fit
        microphone._heard(block, BLOCK, Times(), "")
    got = [microphone.read(0.0) for _ in range(64)]
    assert all(isinstance(one, AudioFrame) for one in got)
    assert microphone.read(0.0) is None
    time.sleep(0.5)
    came_s = clock.now_s()
    microphone._heard(block, BLOCK, Times(), "")
    after = microphone.read(0.0)
    assert isinstance(after, AudioFrame)
    assert microphone.damaged == 1
    assert came_s - after.t_s < 0.1
    microphone._heard(block, BLOCK, Times(), "input overflow")
    assert microphone.damaged == 2
