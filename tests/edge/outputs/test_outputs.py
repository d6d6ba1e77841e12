"""Outputs play and show replies, are silent at once when told, and say what is wrong in words."""

from __future__ import annotations

import struct
import wave
from pathlib import Path

import numpy as np
import pytest

from edge import plugin
from edge.errors import OutputError
from edge.outputs.led import Led
from edge.outputs.wav import WavFile

RATE = 16_000


def tone(seconds: float, rate: int = RATE, hz: float = 440.0) -> bytes:
    return (8000 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype("<i2").tobytes()


def read(path: Path) -> tuple[int, np.ndarray]:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        return file.getframerate(), np.frombuffer(file.readframes(file.getnframes()), "<i2")


def test_every_output_follows_the_protocol(tmp_path: Path) -> None:
    """One extension, one file: each module of the folder makes an output with all the methods."""
    for name in plugin.names("edge.outputs"):
        made = plugin.load("edge.outputs", name).create(str(tmp_path / "x"))
        for method in ("open", "play", "stop", "show", "close"):
            assert callable(getattr(made, method)), (name, method)
        made.close()


def test_wav_is_whole_after_each_write(tmp_path: Path) -> None:
    """A process that is killed in mid-reply leaves a file that plays, for this user: nothing waits for `close`."""
    file = tmp_path / "deep" / "reply.wav"
    output = WavFile(file)
    output.open()
    assert file.stat().st_mode & 0o777 == 0o600
    assert read(file)[1].size == 0
    output.play(tone(0.5), RATE)
    assert read(file)[1].size == RATE // 2  # not closed, not flushed by us
    output.play(tone(0.25), RATE)
    rate, samples = read(file)
    assert (rate, samples.size) == (RATE, RATE * 3 // 4)
    riff_size = struct.unpack("<I", file.read_bytes()[4:8])[0]
    assert riff_size == file.stat().st_size - 8
    output.close()


def test_who_could_read_the_last_reply_cannot_read_the_next(tmp_path: Path) -> None:
    """An older file that anybody may read, and that somebody has open, is not the one that the reply goes into; a link
    to it still leads there."""
    (tmp_path / "older.wav").write_bytes(b"older")
    (tmp_path / "older.wav").chmod(0o644)
    (tmp_path / "reply.wav").symlink_to("older.wav")
    output = WavFile(tmp_path / "reply.wav")
    with (tmp_path / "older.wav").open("rb") as other:
        output.open()
        output.play(tone(0.1), RATE)
        output.close()
        assert other.read() == b"older"
    assert (tmp_path / "reply.wav").is_symlink()
    assert (tmp_path / "older.wav").stat().st_mode & 0o777 == 0o600
    assert read(tmp_path / "older.wav")[1].size == RATE // 10


def test_wav_resamples_what_comes_at_another_rate(tmp_path: Path) -> None:
    """An opening line and an answer from two voices make one file at one rate, each at its own pitch."""
    output = WavFile(tmp_path / "reply.wav")
    output.open()
    output.play(tone(1.0, 22_050), 22_050)
    output.play(tone(1.0, 16_000), 16_000)
    output.close()
    rate, samples = read(tmp_path / "reply.wav")
    assert rate == 22_050
    assert samples.size == pytest.approx(2 * 22_050, abs=50)
    for part in (samples[:22_050], samples[22_050:44_000]):
        peak_hz = np.abs(np.fft.rfft(part)).argmax() * rate / part.size
        assert peak_hz == pytest.approx(440, abs=2)


def test_wav_keeps_only_what_was_heard(tmp_path: Path) -> None:
    """An interruption cuts off what a listener had not heard; the next reply follows on a valid header."""
    output = WavFile(tmp_path / "reply.wav")
    output.open()
    output.play(tone(60.0), RATE)
    output.stop()
    heard = read(tmp_path / "reply.wav")[1].size
    assert heard < 30 * RATE
    output.play(tone(0.5), RATE)
    assert read(tmp_path / "reply.wav")[1].size == heard + RATE // 2
    output.close()


def test_wav_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    """A wrong path is one clear error, at open."""
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OutputError, match="choose another place"):
        WavFile(tmp_path / "file" / "reply.wav").open()


def test_a_full_disk_is_told() -> None:
    """Sound that cannot be kept is an error, not silence."""
    output = WavFile(Path("/dev/full"))
    with pytest.raises(OutputError, match=r"No space left on device.*free some space"):
        output.open()


def test_stdout_is_one_line_per_reply(capsys: pytest.CaptureFixture[str]) -> None:
    """Sentences stream onto one line; an interruption is visible; the next reply starts afresh."""
    output = plugin.load("edge.outputs", "stdout").create("")
    output.open()
    output.show("I am sorry.", False)
    output.show("That sounds hard.", True)
    output.show("Shall", False)
    output.stop()
    output.close()
    assert capsys.readouterr().out == "« I am sorry. That sounds hard. »\n« Shall —\n"


class Sensor:
    def __init__(self, capturing: bool) -> None:
        self.capturing = capturing


def light(folder: Path) -> Path:
    made = folder / "cam"
    made.mkdir()
    (made / "brightness").write_text("0")
    (made / "max_brightness").write_text("255\n")
    (made / "trigger").write_text("[heartbeat] none")
    return made


def test_the_light_tells_the_truth(tmp_path: Path) -> None:
    """It is lit exactly while any device may be open, at full brightness, and the kernel's own blinking is off."""
    made = light(tmp_path)
    led = Led("cam", tmp_path)
    led.open()
    assert ((made / "trigger").read_text(), (made / "brightness").read_text()) == ("none", "0")
    led.follow([Sensor(False), Sensor(True)])
    assert ((made / "brightness").read_text(), led.lit) == ("255", True)
    led.close()
    assert (made / "brightness").read_text() == "255"  # closing the light does not close the camera
    led.follow([Sensor(False), Sensor(False)])
    assert ((made / "brightness").read_text(), led.lit) == ("0", False)


def test_a_light_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    """A wrong name is mended from the message alone."""
    light(tmp_path)
    with pytest.raises(OutputError, match="no light 'mic': there is cam"):
        Led("mic", tmp_path).open()


def test_a_light_that_cannot_be_set_is_an_error(tmp_path: Path) -> None:
    """A capture light that may be wrong is never silent about it."""
    made = light(tmp_path)
    led = Led("cam", tmp_path)
    led.open()
    (made / "brightness").unlink()
    (made / "brightness").symlink_to("/dev/full")
    with pytest.raises(OutputError, match="udev rule"):
        led.follow([Sensor(True)])
    assert led.lit is None
