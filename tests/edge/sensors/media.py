"""Media files with known content, and reading them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from edge.errors import MienError
from edge.sensors.base import EndOfStream, Sensor
from edge.types import AudioFrame, Frame, VideoFrame

FPS = 25


def make(
    path: Path,
    *,
    seconds: float = 2.0,
    video: str | None = "libx264",
    audio: str | None = "aac",
    rate: int = 48_000,
    layout: str = "stereo",
    rotate: int = 0,
    size: tuple[int, int] = (160, 120),
    aspect: Fraction | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """Noise pictures, brighter in the upper half, and a 1 kHz tone."""
    rng = np.random.default_rng(7)
    with av.open(str(path), "w", options=options or {}) as container:
        pictures = sound = None
        if video:
            pictures = container.add_stream(video, rate=FPS)
            pictures.width, pictures.height = size
            pictures.codec_context.thread_count = 1
            if video == "libvpx":
                pictures.options = {"deadline": "realtime", "cpu-used": "8"}
            pictures.pix_fmt = "yuvj420p" if video == "mjpeg" else "yuv420p"
            if aspect is not None:
                pictures.codec_context.sample_aspect_ratio = aspect
            if rotate:
                pictures.set_display_rotation(rotate)
        if audio:
            sound = container.add_stream(audio, rate=rate, layout=layout)
            resampler = av.AudioResampler(format=sound.codec_context.format, layout=layout, rate=rate)
        for index in range(round(seconds * FPS)):
            if pictures is not None:
                pixels = rng.integers(0, 60, (size[1], size[0], 3), np.uint8)
                pixels[: size[1] // 2] += 180
                picture = av.VideoFrame.from_ndarray(pixels, format="bgr24")
                picture.pts, picture.time_base = index, Fraction(1, FPS)
                container.mux(pictures.encode(picture))
            if sound is not None:
                step = rate // FPS
                t = np.arange(index * step, (index + 1) * step) / rate
                tone = 0.25 * np.sin(2 * np.pi * 1000 * t)
                channels = len(av.AudioLayout(layout).channels)
                heard = av.AudioFrame.from_ndarray(
                    np.tile(tone.astype(np.float32), (channels, 1)), format="fltp", layout=layout
                )
                heard.sample_rate, heard.pts, heard.time_base = rate, index * step, Fraction(1, rate)
                for part in resampler.resample(heard):
                    container.mux(sound.encode(part))
        if sound is not None:
            for part in resampler.resample(None):
                container.mux(sound.encode(part))
            container.mux(sound.encode())
        if pictures is not None:
            container.mux(pictures.encode())
    return path


def drain(sensor: Sensor) -> tuple[list[AudioFrame], list[VideoFrame], list[MienError]]:
    """Everything an opened sensor gives until its end, with the errors on the way, checked to be in time order."""
    heard: list[AudioFrame] = []
    seen: list[VideoFrame] = []
    errors: list[MienError] = []
    last_s = -1.0
    while True:
        try:
            frame: Frame | None = sensor.read(1.0)
        except EndOfStream:
            return heard, seen, errors
        except MienError as error:
            errors.append(error)
            continue
        if isinstance(frame, AudioFrame):
            heard.append(frame)
            due_s = frame.end_s
        elif isinstance(frame, VideoFrame):
            seen.append(frame)
            due_s = frame.t_s
        else:
            continue
        assert due_s >= last_s - 1e-9, "out of order"
        last_s = due_s


def samples(heard: list[AudioFrame]) -> np.ndarray:
    """All the sound in one array."""
    return np.concatenate([np.zeros(0, np.float32), *(one.samples for one in heard)])


def read_nothing(camera: Sensor) -> None:
    """Read until a frame comes, or the camera fails."""
    while camera.read(0.2) is None:
        pass
