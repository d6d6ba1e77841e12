"""A media file plays like a camera and a microphone: on one clock, whole, or as far as it can be decoded."""

from __future__ import annotations

import itertools
import os
import random
import struct
import zlib
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import soundfile

from edge import clock
from edge.clip import make_clip
from edge.errors import MediaError, MienError, SensorMissing
from edge.sensors._streams import Upright
from edge.sensors.base import BLOCK, EndOfStream, from_text
from edge.sensors.file import FileSensor
from edge.types import AudioFrame, VideoFrame
from tests.edge.sensors.media import drain, make, samples

DATA = os.environ.get("MIEN_DATA")


def opened(path: Path, *, paced: bool = False) -> FileSensor:
    sensor = FileSensor(path, paced=paced)
    sensor.open()
    return sensor


@pytest.mark.parametrize(
    ("name", "video", "audio", "rate", "layout"),
    [
        ("a.mp4", "libx264", "aac", 48_000, "stereo"),
        ("a.webm", "libvpx", "libopus", 48_000, "mono"),
        ("a.mkv", "mpeg4", "flac", 96_000, "5.1"),
        ("a.avi", "mjpeg", "pcm_s16le", 8_000, "mono"),
        ("a.mpg", "mpeg2video", "mp2", 44_100, "stereo"),
        ("a.ts", "mpeg2video", "mp2", 32_000, "stereo"),
    ],
)
def test_sound_and_picture_share_one_clock(
    tmp_path: Path, name: str, video: str, audio: str, rate: int, layout: str
) -> None:
    """Any container, codec, rate and channel count: both in time order, 16 kHz mono, and of the same length."""
    sensor = opened(make(tmp_path / name, video=video, audio=audio, rate=rate, layout=layout))
    heard, seen, errors = drain(sensor)
    assert (sensor.has_audio, sensor.has_video, sensor.damaged, errors) == (True, True, 0, [])
    assert sensor.duration_s == pytest.approx(2.0, abs=0.15)
    assert len(seen) == 50
    assert seen[-1].t_s - seen[0].t_s == pytest.approx(49 / 25, abs=0.01)
    assert heard[-1].end_s == pytest.approx(2.0, abs=0.1)
    assert all(len(one.samples) == BLOCK for one in heard[:-1])
    assert all(one.samples.dtype == np.float32 for one in heard)
    assert [one.seq for one in heard] == list(range(len(heard)))
    assert [one.seq for one in seen] == list(range(50))
    for one, after in itertools.pairwise(heard):
        assert after.t_s == pytest.approx(one.end_s, abs=1e-6)
    middle = samples(heard)[8000:24_000]
    assert np.abs(np.fft.rfft(middle)).argmax() == 1000  # 1 s: one bin is 1 Hz
    assert np.abs(middle).max() == pytest.approx(0.25, abs=0.05)
    assert seen[0].pixels.shape == (120, 160, 3)
    assert seen[0].pixels[:50].mean() > seen[0].pixels[70:].mean() + 100


def test_sound_above_8_khz_does_not_fold_down(tmp_path: Path) -> None:
    """The resampler is band-limited: what 16 kHz cannot carry vanishes instead of turning into another tone."""
    t = np.arange(48_000) / 48_000
    soundfile.write(tmp_path / "high.wav", 0.5 * np.sin(2 * np.pi * 11_000 * t), 48_000)
    heard, _, _ = drain(opened(tmp_path / "high.wav"))
    assert np.abs(samples(heard)[1000:-1000]).max() < 0.001


def test_resampling_keeps_the_time_of_a_click(tmp_path: Path) -> None:
    """Sound is not late against the picture: a click at 0.5 s stays at 0.5 s."""
    sound = np.zeros(44_100, np.float32)
    sound[22_050] = 1.0
    soundfile.write(tmp_path / "click.wav", sound, 44_100)
    heard, _, _ = drain(opened(tmp_path / "click.wav"))
    assert np.abs(samples(heard)).argmax() == pytest.approx(8000, abs=2)


def test_two_equal_channels_are_not_louder_than_one(tmp_path: Path) -> None:
    """A mean, not a sum: full scale in both channels stays in [-1, 1] and is not clipped."""
    tone = 0.95 * np.sin(2 * np.pi * 300 * np.arange(16_000) / 16_000)
    soundfile.write(tmp_path / "loud.wav", np.stack([tone, tone], 1), 16_000, subtype="FLOAT")
    heard, _, _ = drain(opened(tmp_path / "loud.wav"))
    assert np.abs(samples(heard)).max() == pytest.approx(0.95, abs=0.01)


def test_nothing_is_lost_of_a_sound_file(tmp_path: Path) -> None:
    """Unpaced is lossless: every sample arrives, the last block short."""
    sound = np.random.default_rng(3).uniform(-0.9, 0.9, 16_000 + 123)
    soundfile.write(tmp_path / "noise.wav", sound, 16_000, subtype="FLOAT")
    sensor = opened(tmp_path / "noise.wav")
    heard, seen, _ = drain(sensor)
    assert (sensor.has_audio, sensor.has_video, seen) == (True, False, [])
    np.testing.assert_allclose(samples(heard), sound, atol=1e-6)
    assert len(heard[-1].samples) == (16_000 + 123) % BLOCK


def test_a_video_without_sound(tmp_path: Path) -> None:
    """Picture only: pictures come, and that there is no sound is known from the start."""
    sensor = opened(make(tmp_path / "silent.mp4", audio=None))
    assert (sensor.has_audio, sensor.has_video) == (False, True)
    heard, seen, errors = drain(sensor)
    assert (len(heard), len(seen), errors) == (0, 50, [])


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "webp"])
def test_a_still_picture_is_one_frame(tmp_path: Path, suffix: str) -> None:
    """A picture is a video of one frame."""
    pixels = np.full((40, 60, 3), (10, 120, 240), np.uint8)
    cv2.imwrite(str(tmp_path / f"still.{suffix}"), pixels)
    sensor = opened(tmp_path / f"still.{suffix}")
    assert (sensor.has_audio, sensor.has_video) == (False, True)
    _, seen, errors = drain(sensor)
    assert errors == []
    assert len(seen) == 1
    np.testing.assert_allclose(seen[0].pixels.mean((0, 1)), (10, 120, 240), atol=4)


@pytest.mark.parametrize("turns", [0, 90, 180, 270])
def test_a_phone_video_stands_upright(tmp_path: Path, turns: int) -> None:
    """Phones store pictures as the sensor lay and note the rotation: the note is honoured."""
    _, seen, _ = drain(opened(make(tmp_path / "phone.mp4", audio=None, seconds=0.4, rotate=turns)))
    pixels = seen[0].pixels
    assert pixels.shape[:2] == ((120, 160) if turns % 180 == 0 else (160, 120))
    edges = {0: pixels[:40], 90: pixels[:, :40], 180: pixels[-40:], 270: pixels[:, -40:]}
    bright = max(edges, key=lambda turn: edges[turn].mean())
    assert bright == turns  # the display matrix turns counter-clockwise


def test_oblong_pixels_become_square(tmp_path: Path) -> None:
    """Old formats store faces squeezed: geometry is right before any landmark is measured."""
    _, seen, _ = drain(opened(make(tmp_path / "tv.mkv", audio=None, seconds=0.2, aspect=Fraction(3, 2))))
    assert seen[0].pixels.shape == (120, 240, 3)


@pytest.mark.parametrize("name", ["cut.mp4", "cut.mkv", "cut.webm"])
def test_a_file_that_breaks_off_gives_what_it_has_and_then_one_error(tmp_path: Path, name: str) -> None:
    """Truncated video: frames up to the break, one MediaError that says so, then the end."""
    codecs = ("libvpx", "libopus") if name.endswith("webm") else ("libx264", "aac")
    options = {"movflags": "faststart"} if name.endswith("mp4") else {}
    whole = make(tmp_path / name, seconds=4, video=codecs[0], audio=codecs[1], options=options)
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    sensor = opened(whole)
    heard, seen, errors = drain(sensor)
    assert 30 < len(seen) < 90
    assert 1.0 < heard[-1].end_s < 3.6
    assert [type(one) for one in errors] == [MediaError]
    assert "breaks off" in str(errors[0])
    with pytest.raises(EndOfStream):
        sensor.read(1.0)


@pytest.mark.parametrize("name", ["cut.mpg", "cut.wav"])
def test_a_format_without_a_length_is_a_short_file(tmp_path: Path, name: str) -> None:
    """Where the header states no length, a cut is not visible but for the half packet, which is counted."""
    video, audio = {"mpg": ("mpeg2video", "mp2"), "wav": (None, "pcm_s16le")}[name[-3:]]
    whole = make(tmp_path / name, seconds=4, video=video, audio=audio, rate=44_100)
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2 + 1])
    heard, _, errors = drain(opened(whole))
    assert errors == []
    assert 1.0 < heard[-1].end_s < 3.0


def test_holes_in_a_file_are_skipped_and_counted(tmp_path: Path) -> None:
    """Corrupt packets in the middle cost those packets: no exception, no half picture, and `damaged` tells."""
    file = make(tmp_path / "holes.mp4", seconds=4, video="mpeg4")
    data = bytearray(file.read_bytes())
    for start in range(len(data) // 3, len(data) * 2 // 3, 5000):
        data[start : start + 200] = bytes(200)
    file.write_bytes(data)
    sensor = opened(file)
    heard, seen, errors = drain(sensor)
    assert errors == []
    assert sensor.damaged > 3
    assert 40 < len(seen) < 100
    assert heard[-1].end_s > 3.5


@pytest.mark.parametrize("seed", range(12))
def test_no_bytes_break_it(tmp_path: Path, seed: int) -> None:
    """Whatever the bytes, the answer is frames, MediaError or the end: never another exception, never for ever."""
    rng = random.Random(seed)
    file = make(tmp_path / rng.choice(["a.mp4", "a.mkv", "a.mpg"]), seconds=0.6, video="mpeg4", audio="mp2")
    data = bytearray(file.read_bytes())
    for _ in range(rng.choice([3, 30, 300])):
        data[rng.randrange(len(data))] = rng.randrange(256)
    file.write_bytes(data[: rng.randrange(len(data) // 2, len(data))])
    sensor = FileSensor(file, paced=False)
    try:
        sensor.open()
        drain(sensor)
    except MediaError:
        pass
    finally:
        sensor.close()


@pytest.mark.parametrize("content", [b"", b"hello, I am no video", bytes(5000), b"RIFF\x00\x00\x00\x00WAVEfmt "])
def test_what_is_no_media_file_is_one_error(tmp_path: Path, content: bytes) -> None:
    """A text file, an empty file, zeros: MediaError at open, with the path."""
    (tmp_path / "odd.mp4").write_bytes(content)
    with pytest.raises(MediaError, match=r"odd\.mp4"):
        drain(opened(tmp_path / "odd.mp4"))


def test_a_damaged_picture_is_one_error(tmp_path: Path) -> None:
    """A picture of which nothing can be decoded is refused, not shown grey."""
    cv2.imwrite(str(tmp_path / "still.png"), np.zeros((100, 100, 3), np.uint8))
    (tmp_path / "still.png").write_bytes((tmp_path / "still.png").read_bytes()[:40])
    with pytest.raises(MediaError, match="picture is damaged"):
        opened(tmp_path / "still.png")


def test_a_picture_that_claims_to_be_vast(tmp_path: Path) -> None:
    """A header that asks for gigabytes is refused, and is not a fault of ours."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 200_000, 200_000, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header)) + bytes(100)
    (tmp_path / "vast.png").write_bytes(data)
    with pytest.raises(MediaError, match="picture is damaged"):
        opened(tmp_path / "vast.png")


def test_a_phone_picture_stands_upright(tmp_path: Path) -> None:
    """EXIF orientation 6: the phone was held upright; the stored rows are columns."""
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:, :20] = 255  # the stored left is the upper edge
    plain = cv2.imencode(".jpg", pixels)[1].tobytes()
    tiff = b"II*\x00\x08\x00\x00\x00\x01\x00" + struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0) + bytes(4)
    exif = b"Exif\x00\x00" + tiff
    (tmp_path / "phone.jpg").write_bytes(plain[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + plain[2:])
    _, seen, _ = drain(opened(tmp_path / "phone.jpg"))
    assert seen[0].pixels.shape == (60, 40, 3)
    assert seen[0].pixels[:15].mean() > 200 > 50 > seen[0].pixels[30:].mean()


def test_a_file_with_only_damage_is_an_error(tmp_path: Path) -> None:
    """A file whose header is whole but of which no packet decodes is told as broken, not as empty."""
    file = make(tmp_path / "ruin.mkv", video=None, audio="aac")
    data = file.read_bytes()
    start = data.index(b"\x1fC\xb6u")  # the first cluster
    file.write_bytes(data[: start + 40] + b"\xff" * (len(data) - start - 40))
    heard, _, errors = drain(opened(file))
    assert heard == []
    assert len(errors) == 1
    assert "nothing of" in str(errors[0])


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (FileNotFoundError(2, "No such file"), "is not there"),
        (PermissionError(13, "Permission denied"), "no permission"),
        (PermissionError(1, "Operation not permitted"), "no permission"),
        (OSError(5, "Input/output error"), "Input/output error"),
    ],
)
def test_a_file_that_may_not_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, words: str
) -> None:
    """Not there, no permission and a failing disk have each their own words."""

    def refuse(*_: object, **__: object) -> None:
        raise error

    (tmp_path / "clip.mp4").touch()
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(SensorMissing, match=words):
        FileSensor(tmp_path / "clip.mp4").open()


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    """Nothing that could block or lose its first bytes is opened."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SensorMissing, match="not a file"):
        opened(tmp_path / "pipe")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    """A folder is named as such."""
    with pytest.raises(SensorMissing, match="is a folder"):
        opened(tmp_path)


def test_paced_it_plays_in_real_time(tmp_path: Path) -> None:
    """No frame comes before its time, sound only after its last sample, and `t_s` is on the monotonic clock."""
    sensor = opened(make(tmp_path / "a.mp4", seconds=0.6), paced=True)
    begun_s = clock.now_s()
    last_s = begun_s
    empty = 0
    while True:
        try:
            frame = sensor.read(0.01)
        except EndOfStream:
            break
        if frame is None:
            empty += 1
            continue
        end_s = frame.end_s if isinstance(frame, AudioFrame) else frame.t_s
        assert clock.now_s() >= end_s
        last_s = max(last_s, end_s)
    assert empty > 5  # it waited no longer than it was asked to
    assert last_s - begun_s == pytest.approx(0.6, abs=0.1)


def test_it_can_be_closed_and_opened_again(tmp_path: Path) -> None:
    """Closing is idempotent; opening again starts at the beginning."""
    sensor = from_text(f"file://{make(tmp_path / 'a.mp4', seconds=0.4)}", paced=False)
    sensor.close()
    sensor.open()
    first = sensor.read(1.0)
    sensor.close()
    sensor.close()
    with pytest.raises(EndOfStream):
        sensor.read(1.0)
    sensor.open()
    again = sensor.read(1.0)
    assert first is not None
    assert again is not None
    assert (again.seq, again.t_s) == (first.seq, first.t_s)
    sensor.close()


def test_a_cover_picture_is_no_video(tmp_path: Path) -> None:
    """The cover of a song is not a face in front of the device."""
    import av

    cv2.imwrite(str(tmp_path / "cover.png"), np.zeros((64, 64, 3), np.uint8))
    with av.open(str(tmp_path / "song.m4a"), "w", format="mp4") as out, av.open(str(tmp_path / "cover.png")) as cover:
        sound = out.add_stream("aac", rate=16_000, layout="mono")
        picture = out.add_stream_from_template(cover.streams.video[0])
        picture.disposition = av.stream.Disposition.attached_pic
        for packet in cover.demux():
            if packet.dts is not None:
                packet.stream = picture
                out.mux(packet)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16_000
        out.mux(sound.encode(frame))
        out.mux(sound.encode())
    sensor = opened(tmp_path / "song.m4a")
    assert (sensor.has_audio, sensor.has_video) == (True, False)


@pytest.mark.skipif(DATA is None, reason="MIEN_DATA is not set: no real clips here")
@pytest.mark.parametrize("name", ["bbaf2n.mpg", "brbk7n.mpg", "lwbsza.mpg", "sbwe5n.mpg"])
def test_real_talking_heads(name: str) -> None:
    """The clips of the GRID corpus: 75 pictures and three seconds of sound each."""
    heard, seen, errors = drain(opened(Path(DATA or "") / "clips" / name))
    assert errors == []
    assert len(seen) == 75
    assert isinstance(seen[0], VideoFrame)
    assert len(samples(heard)) / 16_000 == pytest.approx(2.98, abs=0.05)
    assert np.abs(samples(heard)).max() > 0.3


def test_errors_are_of_our_tree() -> None:
    """Whoever catches MienError catches what a file can do wrong; its end is no error."""
    assert issubclass(MediaError, MienError)
    assert not issubclass(EndOfStream, MienError)


def test_a_picture_is_converted_only_when_it_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, and not at all while nobody looks: on an empty room that is most of what a camera costs."""
    converted: list[object] = []
    convert = Upright.__call__

    def counting(self: Upright, picture: object) -> object:
        converted.append(picture)
        return convert(self, picture)

    monkeypatch.setattr(Upright, "__call__", counting)
    clip = tmp_path / "clip.mp4"
    make_clip(clip, "Hi.", None)
    sensor = FileSensor(clip, paced=False)
    sensor.open()
    pictures = [one for one in (sensor.read(1.0) for _ in range(12)) if isinstance(one, VideoFrame)]
    assert pictures
    assert not converted
    assert pictures[0].pixels.shape == (480, 640, 3)
    assert pictures[0].pixels is pictures[0].pixels
    assert len(converted) == 1
    sensor.close()


@pytest.mark.parametrize("paced", [True, False])
def test_pictures_that_nobody_wants_are_left_out_and_sound_is_not(tmp_path: Path, paced: bool) -> None:
    """While sight rests a paced file wakes nobody for pictures; read as fast as possible it gives every one."""
    sensor = opened(make(tmp_path / "a.mp4", seconds=0.6), paced=paced)
    begun_s = clock.now_s() if paced else 0.0
    sensor.rest(begun_s + 0.3)
    heard, seen, errors = drain(sensor)
    assert not errors
    assert seen[0].t_s - begun_s == pytest.approx(0.3 if paced else 0.0, abs=0.1)
    assert len(seen) == pytest.approx(8 if paced else 15, abs=2)
    assert heard[-1].end_s - heard[0].t_s == pytest.approx(0.6, abs=0.1)
