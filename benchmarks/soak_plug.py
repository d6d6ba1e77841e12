"""A camera and a microphone that are pulled and plugged in again while the device works.

`python -m benchmarks.soak_plug --out FILE.json --pulls 50`, a process of its own. Both are made up (a drawn face and
a hummed voice: no machine of ours has a plug that a program can pull), and vanish as real ones do: reading fails, and
opening fails until they are back. All else is the device's own: supervision, backing off, hearing, sight, path.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from benchmarks.soak_reel import open_files
from edge import health
from edge.config import Config
from edge.errors import SensorMissing
from edge.loop import Loop
from edge.sensors.base import from_text
from edge.sensors.supervise import Supervised
from edge.types import AudioFrame, Frame, VideoFrame

_SOURCE = "synthetic://?script=neutral-talk:600&fps=15"
_PATIENCE_S = 60.0


class Plug:
    """What holds one made-up device to the board."""

    def __init__(self) -> None:
        self.plugged = True


class Device:
    """A live sensor that gives the pictures or the sound of the drawn face while it is plugged in."""

    live = True
    damaged = 0

    def __init__(self, kind: Literal["camera", "mic"], plug: Plug) -> None:
        self.uri = f"{kind}://made-up"
        self.has_audio, self.has_video = kind == "mic", kind == "camera"
        self._wanted = AudioFrame if kind == "mic" else VideoFrame
        self._plug = plug
        self._source = from_text(_SOURCE)

    def open(self) -> None:
        """Raises SensorMissing while unplugged."""
        self._must_be_there()
        self._source.open()

    def read(self, timeout_s: float) -> Frame | None:
        """The next frame of its kind. Raises SensorMissing when it was pulled."""
        self._must_be_there()
        frame = self._source.read(timeout_s)
        return frame if isinstance(frame, self._wanted) else None

    def close(self) -> None:
        """Let go."""
        self._source.close()

    def _must_be_there(self) -> None:
        if not self._plug.plugged:
            raise SensorMissing(f"{self.uri} is gone: plug it in")


def replug(pulls: int, *, pause_s: float, longest_pause_s: float) -> dict[str, Any]:
    """Pull both `pulls` times; `back_s` from plugging in to frames, `rss_mb` before each round, `before` and `after`:
    what the process holds.

    Raises TimeoutError where a device does not come back within a minute.
    """
    config = Config.read(
        {"sensors": ["synthetic://"], "outputs": [], "perceive": {"words": False}, "purpose": {"consent": True}}
    )
    told: dict[str, Any] = {}
    loop = Loop(config, listen=lambda line: told.update(json.loads(line)) if '"type":"health"' in line else None)
    plugs = {"camera": Plug(), "mic": Plug()}
    sensors = {
        "camera": _supervised("camera", plugs["camera"], loop, pause_s, longest_pause_s),
        "mic": _supervised("mic", plugs["mic"], loop, pause_s, longest_pause_s),
    }
    loop.senses.sensors = list(sensors.values())
    thread = threading.Thread(target=loop.run, name="loop", daemon=True)
    thread.start()
    back_s: list[float] = []
    rss_mb: list[float | None] = []
    try:
        _until("first frames", lambda: all(one.state == "running" for one in sensors.values()))
        _until("health", lambda: bool(told))
        time.sleep(1.0)  # until each detector has had its largest pass
        before = _held()
        for _ in range(pulls):
            rss_mb.append(_held()["rss_mb"])
            for name, sensor in sensors.items():
                plugs[name].plugged = False
                _until(f"{name} failing", lambda sensor=sensor: sensor.state == "failing")  # type: ignore[misc]
                plugs[name].plugged = True
                plugged_s, frames = time.monotonic(), sensor.frames
                _until(f"{name} back", lambda sensor=sensor, frames=frames: sensor.frames > frames)  # type: ignore[misc]
                back_s.append(time.monotonic() - plugged_s)
                _until(f"{name} running", lambda sensor=sensor: sensor.state == "running")  # type: ignore[misc]
        after = _held()
        failing = dict(told.get("failing", {}))
    finally:
        loop.stop()
        thread.join(30.0)
    return {
        "pulls": len(back_s),
        "back_s": back_s,
        "rss_mb": rss_mb,
        "before": before,
        "after": after,
        "reopened": {name: sensor.reopened for name, sensor in sensors.items()},
        "abandoned": sum(sensor.abandoned for sensor in sensors.values()),
        "failing_during": failing,
        "ended": not thread.is_alive(),
    }


def _supervised(
    kind: Literal["camera", "mic"], plug: Plug, loop: Loop, pause_s: float, longest_pause_s: float
) -> Supervised:
    return Supervised(
        lambda: Device(kind, plug),
        audio=loop.senses.audio,
        video=loop.senses.video,
        pause_s=pause_s,
        longest_pause_s=longest_pause_s,
    )


def _held() -> dict[str, float | None]:
    gc.collect()
    return {"rss_mb": health.memory_mb()[0], "descriptors": open_files(), "threads": threading.active_count()}


def _until(what: str, holds: Callable[[], bool]) -> None:
    end_s = time.monotonic() + _PATIENCE_S
    while not holds():
        if time.monotonic() > end_s:
            raise TimeoutError(f"{what}: not within {_PATIENCE_S:.0f} s")
        time.sleep(0.005)


def main(argv: Sequence[str] | None = None) -> int:
    """Pull, plug, and write what was measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pulls", type=int, default=50, help="of each of the two (50)")
    parser.add_argument("--pause", type=float, default=0.5, help="the longest first pause before reopening, s (0.5)")
    parser.add_argument("--longest-pause", type=float, default=8.0, help="the longest pause of all, s (8)")
    args = parser.parse_args(argv)
    found = replug(args.pulls, pause_s=args.pause, longest_pause_s=args.longest_pause)
    args.out.write_text(json.dumps(found), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
