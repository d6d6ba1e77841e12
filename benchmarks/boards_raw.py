"""A clip decoded once, here: raw pictures and sound, which every processor reads alike.

`python -m benchmarks.boards_raw CLIP OUT.nut [--seconds S]`. Decoders round otherwise on another instruction set:
a grey level may turn the decision which picture to look at, and would hide whether the networks agree.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from edge.sensors.base import EndOfStream
from edge.sensors.file import FileSensor
from edge.types import SAMPLE_RATE, AudioFrame, VideoFrame


def write(clip: Path, out: Path, seconds: float) -> None:
    """The first `seconds` of `clip` as `out`, in NUT: BGR pictures at their times, 16 kHz mono. Raises SensorError."""
    sensor = FileSensor(clip, paced=False)
    sensor.open()
    pictures: list[VideoFrame] = []
    sounds: list[npt.NDArray[np.float32]] = []
    try:
        while True:
            frame = sensor.read(1.0)
            if frame is None:
                continue
            if frame.t_s > seconds:
                break
            if isinstance(frame, VideoFrame):
                pictures.append(frame)
            elif isinstance(frame, AudioFrame):
                sounds.append(frame.samples)
    except EndOfStream:
        pass
    finally:
        sensor.close()
    with av.open(str(out), "w", format="nut") as container:
        video = container.add_stream("rawvideo", rate=1000)
        video.height, video.width = pictures[0].pixels.shape[:2]
        video.pix_fmt = "bgr24"
        audio = container.add_stream("pcm_s16le", rate=SAMPLE_RATE)
        audio.layout = "mono"
        for picture in pictures:
            image = av.VideoFrame.from_ndarray(picture.pixels, "bgr24")
            image.pts, image.time_base = round(picture.t_s * 1000), Fraction(1, 1000)
            container.mux(video.encode(image))
        pcm = np.round(np.concatenate(sounds)[None] * 32767).astype(np.int16)
        heard = av.AudioFrame.from_ndarray(pcm, "s16", "mono")
        heard.sample_rate, heard.pts, heard.time_base = SAMPLE_RATE, 0, Fraction(1, SAMPLE_RATE)
        container.mux(audio.encode(heard))
        for stream in (video, audio):
            container.mux(stream.encode(None))


def main(argv: Sequence[str] | None = None) -> int:
    """Write the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seconds", type=float, default=2.0, help="of the recording (2)")
    args = parser.parse_args(argv)
    write(args.clip, args.out, args.seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
