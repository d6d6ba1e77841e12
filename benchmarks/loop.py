"""The device loop as a process: CPU of one core, latency, memory, start, bytes; on a person talking, and on nobody.

Input: the talking-head clips in a row, 640×480 at 30 fps with 16 kHz sound, uncompressed, so that no decoder is
measured; paced like a camera, and resting like one while nobody wants pictures. What a camera's driver costs is not in
it. The process is pinned to one core. `mien bench loop`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from benchmarks import loop_peers
from benchmarks.report import Result
from edge.errors import SensorError
from edge.sensors.base import EndOfStream
from edge.sensors.file import FileSensor
from edge.types import SAMPLE_RATE, AudioFrame, VideoFrame
from models import card as cards

NEEDS_DATA = True
_WIDTH, _HEIGHT, _FPS = 640, 480, 30
_RUN_S = 600.0  # a clip takes as long as it plays; what takes this long hangs


def measure(data: Path | None, *, quick: bool, peers: bool) -> Result:
    """CPU, memory, delays and bytes of the loop; with `peers`, what others' work costs on the same input."""
    assert data is not None
    clips = sorted((data / "clips").glob("*.mpg"))
    with tempfile.TemporaryDirectory() as scratch:
        talking, idle = Path(scratch) / "talking.nut", Path(scratch) / "idle.nut"
        _record(talking, clips[:1] if quick else clips * 3)
        _record(idle, [], seconds=4.0 if quick else 20.0)
        without = _run(talking, Path(scratch), "--no-words")
        spoken = _run(talking, Path(scratch), "--words")
        nobody = _run(idle, Path(scratch), "--no-words")
        others: dict[str, dict[str, float]] = {}
        missing: dict[str, str] = {}
        if peers:
            moments = list(_moments(clips[:1] if quick else clips))
            others, missing = loop_peers.beside(moments, data, Path(scratch), quick=quick)
    metrics = {
        "talking_pct_core": without["cpu_pct_core"],
        "idle_pct_core": nobody["cpu_pct_core"],
        "rss_peak_mb": without["peak_mb"],
        "rss_peak_words_mb": spoken["peak_mb"],
        "model_files_mb": sum(card.bytes for card in cards.in_set("device")) / 1e6,
        "start_to_first_observation_s": without["start_to_first_observation_s"],
        "observation_p50_ms": max(without["audio_p50_ms"], without["video_p50_ms"]),
        "observation_p99_ms": max(without["audio_p99_ms"], without["video_p99_ms"]),
        "bytes_per_s": without["envelope_bytes"] / without["input_s"],
        "dropped": sum(without["dropped"].values()),
    }
    detail = {"talking": without, "talking_words": spoken, "idle": nobody}
    return Result(metrics, others, detail | ({"not_measured": missing} if missing else {}))


def _run(clip: Path, scratch: Path, words: str) -> dict[str, Any]:
    """The summary of one process. Its CPU share is counted from the first frame on: loading is start-up."""
    command = [sys.executable, "-m", "edge.cli", "replay", str(clip), "--consent", "--json", words]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        timeout=_RUN_S,
        env={**os.environ, "MIEN_STATE": str(scratch)},
        preexec_fn=lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}),
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    summary: dict[str, Any] = next(line for line in reversed(lines) if line["type"] == "summary")
    return summary


def _record(out: Path, clips: list[Path], seconds: float = 0.0) -> None:
    """`clips` one after another as raw 640×480 30 fps video and 16 kHz sound; or grey silence."""
    with av.open(str(out), "w", format="nut") as container:
        video = container.add_stream("rawvideo", rate=_FPS)
        video.width, video.height, video.pix_fmt = _WIDTH, _HEIGHT, "yuv420p"
        audio = container.add_stream("pcm_s16le", rate=SAMPLE_RATE)
        audio.layout = "mono"
        heard = 0
        for shown, (picture, sound) in enumerate(_moments(clips) if clips else _nothing(seconds)):
            frame = av.VideoFrame.from_ndarray(picture, "bgr24").reformat(_WIDTH, _HEIGHT, "yuv420p")
            frame.pts, frame.time_base = shown, Fraction(1, _FPS)
            container.mux(video.encode(frame))
            samples = av.AudioFrame.from_ndarray((sound[None] * 32767).astype(np.int16), "s16", "mono")
            samples.sample_rate, samples.pts, samples.time_base = SAMPLE_RATE, heard, Fraction(1, SAMPLE_RATE)
            container.mux(audio.encode(samples))
            heard += len(sound)
        for stream in (video, audio):
            container.mux(stream.encode(None))


def _moments(clips: list[Path]) -> Iterator[tuple[Any, Any]]:
    """Per thirtieth of a second: the picture that was in view, and the sound of it."""
    for clip in clips:
        pictures: list[tuple[float, Any]] = []
        sounds: list[Any] = []
        sensor = FileSensor(clip, paced=False)
        sensor.open()
        while True:
            try:
                frame = sensor.read(1.0)
            except (EndOfStream, SensorError):
                break
            if isinstance(frame, VideoFrame):
                pictures.append((frame.t_s, frame.pixels))
            elif isinstance(frame, AudioFrame):
                sounds.append(frame.samples)
        sensor.close()
        sound = np.clip(np.concatenate(sounds), -1.0, 1.0)
        times = np.array([t_s for t_s, _ in pictures])
        for tick in range(int(len(sound) / SAMPLE_RATE * _FPS)):
            shown = max(0, int(np.searchsorted(times, tick / _FPS, side="right")) - 1)
            begin, end = (round(one / _FPS * SAMPLE_RATE) for one in (tick, tick + 1))
            yield pictures[shown][1], sound[begin:end]


def _nothing(seconds: float) -> Iterator[tuple[Any, Any]]:
    """An empty room: a wall as a camera with noise sees it, and quiet."""
    rng = np.random.default_rng(0)
    walls = [np.clip(90 + rng.normal(0, 3, (_HEIGHT, _WIDTH, 3)), 0, 255).astype(np.uint8) for _ in range(8)]
    for tick in range(round(seconds * _FPS)):
        begin, end = (round(one / _FPS * SAMPLE_RATE) for one in (tick, tick + 1))
        noise = rng.normal(0.0, 1e-3, end - begin).astype(np.float32)  # a quiet room
        yield walls[tick % len(walls)], noise
