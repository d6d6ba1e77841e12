"""Hours of material through the whole loop, as fast as it can be perceived: what stays behind in memory.

`python -m benchmarks.soak_reel --out FILE.json [CLIP …]`, a process of its own: the clock of everything in it is the
material's, set forward by each frame, so that windows, rates and timeouts see hours pass. Detectors, path, outbox and
uplink are the device's own; the uplink writes its envelopes to standard output. Nothing is dropped for lack of time:
the next frame waits until the last one was perceived.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

from edge import clock

_GAP_S = 0.8  # of silence between two clips: turns end, faces are lost
_DRAWN = "synthetic://?script=neutral:1,smile-talk:2,closed:1"


class MediaClock:
    """The device's clock while it soaks."""

    def __init__(self) -> None:
        self._s = time.monotonic()
        self._let_go_s: float | None = None

    def __call__(self) -> float:
        """Seconds, as `edge.clock.now_s`."""
        return self._s if self._let_go_s is None else self._s + time.monotonic() - self._let_go_s

    def let_go(self) -> None:
        """The material is over: run on by itself, since what still waits for a time would wait for ever."""
        self._let_go_s = time.monotonic()

    def reach(self, t_s: float) -> None:
        """It is `t_s` now, if it was not later already."""
        self._s = max(self._s, t_s)


class Reel:
    """`sources` one after another, again and again, for `wall_s` seconds of real time or `media_s` of material.

    A sensor; `idle` tells when the next frame may come, `sample` is called with the material's seconds so far once in
    `every_s` of them.
    """

    live = False
    has_audio = has_video = True
    damaged = 0
    uri = "reel://"

    def __init__(
        self,
        sources: Sequence[str],
        media: MediaClock,
        *,
        wall_s: float,
        media_s: float,
        idle: Callable[[], bool],
        sample: Callable[[float], None],
        every_s: float,
    ) -> None:
        self._sources, self._media, self._idle, self._sample = sources, media, idle, sample
        self._wall_s, self._media_s, self._every_s = wall_s, media_s, every_s
        self._frames: Iterator[Any] = iter(())
        self._sampled_s = 0.0
        self.played_s = 0.0

    def open(self) -> None:
        """Begin."""
        self._frames = self._all()

    def read(self, timeout_s: float) -> Any:
        """The next frame once the last one was perceived. Raises EndOfStream."""
        end_s = time.monotonic() + timeout_s
        while not self._idle():
            if time.monotonic() > end_s:
                return None
            time.sleep(0.0005)
        return next(self._frames)

    def close(self) -> None:
        """Nothing is held between frames but the clip being read, which closes itself."""
        self._frames = iter(())

    def _all(self) -> Iterator[Any]:
        from edge.sensors.base import EndOfStream, from_text
        from edge.types import AudioFrame, VideoFrame

        begin_s, wall_end_s, base_s, seq = self._media(), time.monotonic() + self._wall_s, self._media(), 0
        for source in cycle(self._sources):
            sensor = from_text(source, paced=False)
            sensor.open()
            last_s = 0.0
            try:
                while True:
                    frame = sensor.read(1.0)
                    if isinstance(frame, AudioFrame):
                        last_s = max(last_s, frame.end_s)
                        shifted: Any = AudioFrame(self.uri, seq, base_s + frame.t_s, frame.samples)
                    elif isinstance(frame, VideoFrame):
                        last_s = max(last_s, frame.t_s)
                        shifted = VideoFrame(self.uri, seq, base_s + frame.t_s, frame.pixels)
                    else:
                        continue
                    seq += 1
                    self._media.reach(base_s + last_s)
                    yield shifted
            except EndOfStream:
                pass
            finally:
                sensor.close()
            yield from self._silence(base_s + last_s)
            base_s += last_s + _GAP_S
            self._media.reach(base_s)
            self.played_s = base_s - begin_s
            if self.played_s - self._sampled_s >= self._every_s:
                self._sampled_s = self.played_s
                self._sample(self.played_s)
            if time.monotonic() > wall_end_s or self.played_s >= self._media_s:
                self._media.let_go()
                raise EndOfStream("the reel is over")

    def _silence(self, begin_s: float) -> Iterator[Any]:
        import numpy as np

        from edge.sensors.base import BLOCK
        from edge.types import SAMPLE_RATE, AudioFrame

        for index in range(int(_GAP_S * SAMPLE_RATE / BLOCK)):
            t_s = begin_s + index * BLOCK / SAMPLE_RATE
            self._media.reach(t_s + BLOCK / SAMPLE_RATE)
            yield AudioFrame(self.uri, index, t_s, np.zeros(BLOCK, np.float32))


def open_files() -> int:
    """File descriptors of this process."""
    return len(os.listdir("/proc/self/fd"))


def soak(sources: Sequence[str], state: Path, *, wall_s: float, media_s: float, every_s: float) -> dict[str, Any]:
    """Run, and give `samples` (material s, RSS MB, descriptors, threads), `played_s`, `wall_s`, `cpu_s`, `summary`."""
    media = MediaClock()
    clock.now_s = media  # before anything else of the device is imported: names are bound then
    from models.session import share_memory

    share_memory()
    import threading

    from edge import health
    from edge.config import Config
    from edge.loop import Loop
    from edge.sensors.supervise import Supervised

    config = Config.read(
        {
            "sensors": ["synthetic://"],
            "outputs": [],
            "perceive": {"words": False},
            "purpose": {"consent": True},
            "link": {"bridges": ["stdout://"], "outbox": state / "outbox"},
        }
    )
    told: dict[str, Any] = {}

    def listen(line: str) -> None:
        kind = json.loads(line)
        if kind["type"] == "health":
            told.update(kind)

    loop = Loop(config, listen=listen)
    samples: list[tuple[float, float | None, int, int]] = []
    reel = Reel(
        sources,
        media,
        wall_s=wall_s,
        media_s=media_s,
        idle=lambda: not (len(loop.senses.audio) or len(loop.senses.video) or len(loop.senses.found)),
        sample=lambda s: samples.append((s, health.memory_mb()[0], open_files(), threading.active_count())),
        every_s=every_s,
    )
    loop.senses.sensors = [Supervised(lambda: reel, audio=loop.senses.audio, video=loop.senses.video, lossless=True)]
    begun_s = time.monotonic()
    summary = loop.run().lines()
    return {
        "samples": samples,
        "played_s": reel.played_s,
        "wall_s": time.monotonic() - begun_s,
        "cpu_s": health.cpu_s(),
        "health": told,
        "summary": summary,
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Soak and write what was measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("clips", nargs="*", type=Path, help="files to play; none: a drawn face")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60.0, help="of real time, at most (60)")
    parser.add_argument("--material", type=float, default=float("inf"), help="seconds of material, at most")
    parser.add_argument("--every", type=float, default=60.0, help="seconds of material between two samples (60)")
    args = parser.parse_args(argv)
    sources = [f"file://{clip.resolve()}" for clip in args.clips] or [_DRAWN]
    with tempfile.TemporaryDirectory() as state:
        found = soak(sources, Path(state), wall_s=60 * args.minutes, media_s=args.material, every_s=args.every)
    args.out.write_text(json.dumps(found), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
