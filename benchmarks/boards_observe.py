"""What this machine perceives in a short recording, one JSON line per observation: to be compared between processors.

`python -m benchmarks.boards_observe SOURCE [--seconds S]`. SOURCE is a file or a sensor's URI, read unpaced. Silence
follows it, so that the end of the turn is judged too. Words are off. Nothing but the device's own packages is needed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from edge.perceive.hearing import Hearing
from edge.perceive.sight import Sight
from edge.sensors import base
from edge.sensors.base import BLOCK, EndOfStream
from edge.types import SAMPLE_RATE, AudioFrame, Frame, Observation, VideoFrame

_SILENCE_S = 0.8


class Digests:
    """Of the decoded input: where they differ, the decoder is what differs, not a network."""

    def __init__(self) -> None:
        self._pictures, self._sound = hashlib.sha256(), hashlib.sha256()

    def add(self, frame: Frame) -> None:
        """Take one frame into account."""
        if isinstance(frame, AudioFrame):
            self._sound.update(frame.samples.tobytes())
        else:
            self._pictures.update(np.ascontiguousarray(frame.pixels).tobytes())

    def line(self) -> dict[str, str]:
        """Both, in hexadecimal."""
        return {"type": "input", "pictures": self._pictures.hexdigest(), "sound": self._sound.hexdigest()}


def observations(source: str, seconds: float, digests: Digests) -> Iterator[Observation]:
    """Everything that is observed in the first `seconds` of `source`, in order. Raises SensorError or ModelError."""
    hearing, sight = Hearing(affect=True, words=False), Sight(affect=True)
    for frame in _frames(source, seconds):
        digests.add(frame)
        if isinstance(frame, AudioFrame):
            yield from hearing.feed(frame)
        else:
            yield from sight.feed(frame)
    yield from hearing.finish()


def _frames(source: str, seconds: float) -> Iterator[Frame]:
    sensor = base.from_text(source if "://" in source else f"file://{source}", paced=False)
    sensor.open()
    heard: AudioFrame | None = None
    try:
        while True:
            frame = sensor.read(1.0)
            if frame is None:
                continue
            if (frame.end_s if isinstance(frame, AudioFrame) else frame.t_s) > seconds:
                break
            if isinstance(frame, AudioFrame):
                heard = frame
            elif not isinstance(frame, VideoFrame):
                continue
            yield frame
    except EndOfStream:
        pass
    finally:
        sensor.close()
    if heard is not None:
        for index in range(round(_SILENCE_S * SAMPLE_RATE / BLOCK)):
            t_s = heard.end_s + index * BLOCK / SAMPLE_RATE
            yield AudioFrame(heard.source, heard.seq + 1 + index, t_s, np.zeros(BLOCK, np.float32))


def line(one: Observation) -> str:
    """One observation, its numbers in full."""
    return json.dumps({"type": type(one).__name__, **asdict(one)}, default=float)


def machine() -> dict[str, Any]:
    """What the figures came from."""
    packages = ("numpy", "onnxruntime", "ai-edge-litert", "opencv-python-headless", "av")
    return {
        "type": "machine",
        "processor": os.environ.get("QEMU_CPU") or platform.machine(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in packages},
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Print the machine, every observation, and the digests of what was decoded."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("source", help="a file, or a URI such as synthetic://")
    parser.add_argument("--seconds", type=float, default=2.0, help="of the recording (2)")
    args = parser.parse_args(argv)
    source = args.source if "://" in args.source else str(Path(args.source).resolve())
    print(json.dumps(machine()), flush=True)
    digests = Digests()
    for one in observations(source, args.seconds, digests):
        print(line(one), flush=True)
    print(json.dumps(digests.line()), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
