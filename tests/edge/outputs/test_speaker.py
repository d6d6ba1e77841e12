"""The speaker plays what it is given, and is silent when told, through real PortAudio where a sound server can run."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge import portaudio
from edge.errors import OutputError
from edge.outputs.speaker import Speaker
from edge.sensors.mic import Microphone
from tests.edge.outputs.test_outputs import tone
from tests.edge.sensors.sound_server import sound_server
from tests.sim.wait import until


def test_without_portaudio_the_error_names_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without the C library is mended from the message alone."""
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    with pytest.raises(OutputError, match="libportaudio2"):
        Speaker().open()


def test_without_a_speaker_the_error_says_so() -> None:
    """A name that no device has is an error at open, with what there is."""
    pytest.importorskip("sounddevice", exc_type=OSError, reason="PortAudio is not installed")
    with pytest.raises(OutputError, match=r"no speaker 'no such thing'"):
        Speaker("no such thing").open()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with sound_server(monkeypatch):
        yield


def heard(microphone: Microphone, seconds: float) -> np.ndarray:
    blocks = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        block = microphone.read(0.1)
        if block is not None:
            blocks.append(block.samples)
    return np.concatenate([np.zeros(1, np.float32), *blocks])


def test_it_plays_and_stops(server: None) -> None:
    """What is played comes out at its pitch, whatever its rate; after `stop` nothing is queued and silence follows."""
    microphone = Microphone()  # hears the null sink's monitor
    microphone.open()
    speaker = Speaker()
    speaker.open()
    try:
        speaker.play(tone(60.0, 22_050, 660.0), 22_050)
        end = time.monotonic() + 20
        sound = np.zeros(1, np.float32)
        while len(sound) < 8000 or np.abs(sound[-8000:]).mean() < 0.05:
            assert time.monotonic() < end, "nothing was heard"
            sound = np.concatenate([sound, heard(microphone, 0.5)[1:]])
        peak_hz = np.abs(np.fft.rfft(sound[-8000:])).argmax() * 2
        assert peak_hz == pytest.approx(660, abs=4)
        assert speaker.waiting_s > 10
        speaker.stop()
        assert speaker.waiting_s == 0
        while np.abs(sound).max() > 0.01:
            assert time.monotonic() < end + 20, "it was not silent"
            sound = heard(microphone, 0.5)[1:]
        speaker.play(tone(0.2), 16_000)  # and it can speak again
        end = time.monotonic() + 20
        while np.abs(heard(microphone, 0.3)).max() < 0.1:
            assert time.monotonic() < end, "the next reply was not heard"
    finally:
        speaker.close()
        microphone.close()
    assert portaudio._open_streams == 0


def test_more_than_two_minutes_are_not_kept(server: None) -> None:
    """The queue is bounded: what exceeds it is dropped and counted."""
    speaker = Speaker()
    speaker.open()
    try:
        for _ in range(4):
            speaker.play(tone(50.0), 16_000)
        assert speaker.dropped_s >= 50
        assert speaker.waiting_s <= 120
    finally:
        speaker.close()


def test_it_is_open_before_the_sound_comes(server: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Warned that sound may come, the speaker opens the device then: the sound itself waits for no opening."""
    opened: list[int] = []
    really = Speaker._open_stream

    def counted(self: Speaker, rate: int) -> Any:
        opened.append(rate)
        return really(self, rate)

    speaker = Speaker()
    speaker.open()
    monkeypatch.setattr(Speaker, "_open_stream", counted)
    monkeypatch.setattr("edge.outputs.speaker._IDLE_S", 30.0)
    try:
        speaker.warm()
        until(lambda: opened)
        speaker.play(tone(0.3, 22_050), 22_050)
        until(lambda: not speaker.waiting_s)
        speaker.play(tone(0.1, 22_050), 22_050)  # a chunk that comes alone does not close the device either
        until(lambda: not speaker.waiting_s)
        assert opened == [22_050]
    finally:
        speaker.close()
