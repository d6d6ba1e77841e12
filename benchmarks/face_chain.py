"""The face chain as it is deployed: speed against MediaPipe, faces found, pose, gaze, blinks, PERCLOS, memory.

`python -m benchmarks.face_chain [--data DIR] [--peers] [--quick]`. Angles, gaze and lids are judged on drawn heads of
known angles (`tests/sim`), so this runs in a checkout. With `--peers`, MediaPipe runs beside it in an environment of
its own (`benchmarks.peers`); `MIEN_PEER_FACE_TASK` names Google's `face_landmarker.task`, where head pose is to be
compared too.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.peers import PEERS, PeerMissing, ask
from benchmarks.report import Result, table
from edge.perceive.sight import Sight
from edge.types import Eyes, FaceSeen, Gaze, HeadPose, VideoFrame

CLIPS = ("bbaf2n.mpg", "brbk7n.mpg", "lwbsza.mpg", "sbwe5n.mpg")
_EVERY = 1000.0  # Hz: landmarks from every picture


def measure(data: Path | None, *, quick: bool = False, peers: bool = False) -> Result:
    """All figures of the chain that can be had here; those that need the clips are absent without `data`."""
    metrics: dict[str, float] = {}
    detail: dict[str, object] = {}
    pose, gaze = _angles(10 if quick else 45)
    metrics |= dict(
        zip(("pose_yaw_deg", "pose_pitch_deg", "pose_roll_deg"), map(float, np.median(pose, axis=0)), strict=True)
    )
    metrics["gaze_deg"] = float(np.mean(gaze))
    detail["pose_mean_abs_deg"] = np.mean(pose, axis=0).round(2).tolist()
    detail["gaze_p90_deg"] = float(np.percentile(gaze, 90))
    blinks = [
        _blinks(40.0 if quick else 75.0, seed, sleepy) for seed, sleepy in ((11, 0.0), (12, 0.35))[: 1 if quick else 2]
    ]
    metrics["blink_f1"] = float(np.mean([one[0] for one in blinks]))
    metrics["perclos_abs_err"] = float(np.mean([one[1] for one in blinks]))
    others: dict[str, dict[str, float]] = {}
    if data is not None:
        clips = [data / "clips" / name for name in CLIPS][: 1 if quick else None]
        found, frames = _found(clips)
        metrics["clips_face_found"] = found / frames
        metrics["no_face_false_pos"] = float(_found([data / "clips" / "no_face.mp4"])[0])
        metrics |= _speed(clips, peers=peers, others=others, detail=detail)
        detail["rss_above_shared_mb"], metrics["rss_mb"] = _rss_mb(clips[0])
    return Result(metrics, others, detail)


# ---------------------------------------------------------------- angles and lids, on drawn heads


def _angles(count: int) -> tuple[npt.NDArray[np.float64], list[float]]:
    """Absolute errors of yaw, pitch, roll (n, 3), and angles between true and read gaze; degrees."""
    from tests.sim.heads import Look, direction, draw, turn

    rng = np.random.default_rng(2026)
    sight = Sight(affect=False)
    poses, gazes = [], []
    for index in range(count):
        wide = index % 3 == 0
        look = Look(
            yaw=rng.uniform(-45, 45) if wide else rng.uniform(-25, 25),
            pitch=rng.uniform(-25, 25) if wide else rng.uniform(-15, 15),
            roll=rng.uniform(-35, 35),
            eye_yaw=rng.uniform(-20, 20),
            eye_pitch=rng.uniform(-14, 14),
        )
        picture = draw(
            look, face=float(rng.uniform(110, 200)), at=(320 + rng.uniform(-60, 60), 240 + rng.uniform(-25, 25))
        )
        sight.reset()
        for repeat in range(2):  # a still picture twice: the second look starts from the first one's landmarks
            seen = sight.feed(VideoFrame("head", repeat, float(repeat), picture))
        for one in seen:
            if isinstance(one, HeadPose):
                poses.append(
                    [abs(one.yaw_deg - look.yaw), abs(one.pitch_deg - look.pitch), abs(one.roll_deg - look.roll)]
                )
            if isinstance(one, Gaze) and not wide:
                true = turn(look.yaw, look.pitch, look.roll) @ direction(look.eye_yaw, look.eye_pitch)
                cos = float(np.clip(true @ direction(one.yaw_deg, one.pitch_deg), -1, 1))
                gazes.append(float(np.degrees(np.arccos(cos))))
    if len(poses) < count:
        print(f"  {count - len(poses)} of {count} drawn heads were not found", file=sys.stderr)
    return np.array(poses), gazes


def _blinks(seconds: float, seed: int, sleepy: float) -> tuple[float, float]:
    """F1 of closures found, and the error of PERCLOS over the last window, at the adaptive rate."""
    from tests.sim.blinks import frames, openness, script

    closures = script(seconds, seed, sleepy=sleepy)
    sight = Sight(affect=False)
    events: list[tuple[float, float]] = []
    shut_s: float | None = None
    last: Eyes | None = None
    for frame in frames(closures, seconds, seed=seed):
        for one in sight.feed(frame):
            if isinstance(one, Eyes):
                last = one
                if one.closed and shut_s is None:
                    shut_s = one.t_s
                elif not one.closed and shut_s is not None:
                    events.append((shut_s, one.t_s))
                    shut_s = None
    if last is None or last.perclos is None:
        return 0.0, 1.0
    true = [(one.start_s - 0.1, one.end_s + 0.1) for one in closures]
    hits = sum(any(a < end and b > start for a, b in events) for start, end in true)
    right = sum(any(a < end and b > start for start, end in true) for a, b in events)
    precision, recall = right / max(len(events), 1), hits / max(len(true), 1)
    times = np.arange(last.t_s - last.window_s, last.t_s, 1 / 100)
    perclos = float(np.mean([openness(closures, t_s) <= 0.2 for t_s in times]))
    return 2 * precision * recall / max(precision + recall, 1e-9), abs(last.perclos - perclos)


# ---------------------------------------------------------------- clips


def _pictures(clip: Path, size: tuple[int, int] | None = None) -> list[npt.NDArray[np.uint8]]:
    capture = cv2.VideoCapture(str(clip))
    found: list[npt.NDArray[np.uint8]] = []
    while True:
        good, picture = capture.read()
        if not good:
            return found
        found.append(np.asarray(picture if size is None else cv2.resize(picture, size), np.uint8))


def _found(clips: Sequence[Path]) -> tuple[int, int]:
    """Frames with a face, and frames."""
    seen = total = 0
    for clip in clips:
        sight = Sight(affect=False)
        for index, picture in enumerate(_pictures(clip)):
            total += 1
            seen += any(isinstance(one, FaceSeen) for one in sight.feed(VideoFrame("clip", index, index / 25, picture)))
    return seen, total


def _speed(
    clips: Sequence[Path], *, peers: bool, others: dict[str, dict[str, float]], detail: dict[str, object]
) -> dict[str, float]:
    """CPU time, 640×480 at 30 fps. Ours and the peer's rounds take turns, so that both meet the same load."""
    full: list[float] = []
    peer: list[float] = []
    adaptive: list[float] = []
    poses: list[list[float]] = []
    for clip in clips:
        pictures = _pictures(clip, (640, 480))
        full += _cpu_ms(pictures, still_hz=_EVERY)
        adaptive += _cpu_ms(pictures, still_hz=None)
        said = _ask_peer(pictures) if peers else None
        if said:
            peer += said["cpu_ms"]
            if said["pose"]:
                poses += (np.abs(np.array(said["pose"]) - _poses(pictures))).tolist()
    metrics = {"chain_ms_per_frame": float(np.mean(full)), "talking_pct_core": float(np.mean(adaptive)) * 30 / 10}
    detail["chain_ms_p50"] = float(np.median(full))
    if peer:
        metrics["chain_vs_mediapipe"] = float(np.mean(full) / np.mean(peer))
        detail["adaptive_vs_mediapipe"] = float(np.mean(adaptive) / np.mean(peer))
        others[PEERS["mediapipe"].title + " FaceMesh, one thread"] = {"chain_ms_per_frame": float(np.mean(peer))}
    if poses:
        detail["clips_pose_vs_mediapipe_deg"] = np.median(poses, axis=0).round(2).tolist()
    return metrics


def _cpu_ms(pictures: Iterable[npt.NDArray[np.uint8]], *, still_hz: float | None) -> list[float]:
    """CPU milliseconds of each picture while tracking, expressions at 8 Hz."""
    sight = Sight(affect=True)
    if still_hz is not None:
        sight.set_rate(still_hz=still_hz)
    spent = []
    for index, picture in enumerate(pictures):
        before = time.process_time()
        sight.feed(VideoFrame("clip", index, index / 30, picture))
        spent.append((time.process_time() - before) * 1e3)
    return spent[3:]  # the first pictures hold the search and the engines' warming up


def _poses(pictures: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float64]:
    sight = Sight(affect=False)
    sight.set_rate(still_hz=_EVERY)
    found = []
    for index, picture in enumerate(pictures):
        for one in sight.feed(VideoFrame("clip", index, index / 30, picture)):
            if isinstance(one, HeadPose):
                found.append([one.yaw_deg, one.pitch_deg, one.roll_deg])
    return np.array(found)


def _ask_peer(pictures: Sequence[npt.NDArray[np.uint8]]) -> dict[str, list[float]] | None:
    """What `benchmarks/peer_face_mesh.py` prints; None where MediaPipe is not to be had."""
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        np.save(file.name, np.array(pictures))
        try:
            return ask("mediapipe", "face_mesh", file.name, os.environ.get("MIEN_PEER_FACE_TASK", ""))
        except PeerMissing as error:
            print(f"  {error}", file=sys.stderr)
            return None


_ALONE = """
import sys, numpy, edge.config
def peak():
    return int(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM'))) / 1024
base = peak()
from edge.perceive.sight import Sight
from edge.types import VideoFrame
sight, index = Sight(affect=True), 0
while len(raw := sys.stdin.buffer.read(640 * 480 * 3)) == 640 * 480 * 3:
    sight.feed(VideoFrame('clip', index, index / 25, numpy.frombuffer(raw, numpy.uint8).reshape(480, 640, 3)))
    index += 1
print(base, peak())
"""


def _rss_mb(clip: Path) -> tuple[float, float]:
    """Peak memory (VmHWM) of a process that does nothing but see this clip, expressions included: above an interpreter
    that has numpy and the device's settings, which all of its parts share; and in all: interpreter, numpy, OpenCV,
    LiteRT and the four networks. ONNX Runtime is not in it: without a voice, nothing of the face loads it. Pages of
    libraries that only importing and loading touched are given back by `Sight`, as on the device."""
    raw = b"".join(one.tobytes() for one in _pictures(clip, (640, 480)))
    answer = subprocess.run([sys.executable, "-c", _ALONE], input=raw, capture_output=True, check=True, timeout=300)
    base, peak = map(float, answer.stdout.split()[-2:])
    return peak - base, peak


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table and the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("MIEN_DATA"))
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args(argv)
    result = measure(Path(args.data) if args.data else None, quick=args.quick, peers=args.peers)
    print(table("face_chain", result))
    print(json.dumps({"metrics": dict(result.metrics), "detail": dict(result.detail)}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
