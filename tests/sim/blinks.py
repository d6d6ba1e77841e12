"""A scripted person in front of the camera: lids that close when the script says so, and a head that sways a little."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from edge.types import VideoFrame
from tests.sim.heads import Look, draw


@dataclass(frozen=True)
class Closure:
    """Lids go down in 80 ms, stay, and open in 140 ms. Seconds."""

    start_s: float
    stay_s: float

    @property
    def end_s(self) -> float:
        return self.start_s + 0.08 + self.stay_s + 0.14

    def openness(self, t_s: float) -> float:
        since = t_s - self.start_s
        if since <= 0 or t_s >= self.end_s:
            return 1.0
        if since < 0.08:
            return 1.0 - since / 0.08
        return max(0.0, (since - 0.08 - self.stay_s) / 0.14)


def script(seconds: float, seed: int, *, sleepy: float = 0.0) -> list[Closure]:
    """Blinks every 2–5 s; a share `sleepy` of the closures are long ones."""
    rng = np.random.default_rng(seed)
    found: list[Closure] = []
    t_s = 3.0
    while t_s < seconds - 2.5:
        stay = rng.uniform(0.7, 1.8) if rng.random() < sleepy else rng.uniform(0.03, 0.12)
        found.append(Closure(t_s, stay))
        t_s = found[-1].end_s + rng.uniform(2.0, 5.0)
    return found


def openness(closures: list[Closure], t_s: float) -> float:
    """0 shut – 1 open."""
    return min((one.openness(t_s) for one in closures), default=1.0)


def frames(
    closures: list[Closure], seconds: float, *, look: Look | None = None, fps: float = 30.0, seed: int = 0
) -> Iterator[VideoFrame]:
    """The pictures, 640×480, with sensor noise and a slow sway of a few pixels."""
    rng = np.random.default_rng(seed)
    noise = [rng.normal(0, 2.0, (480, 640, 3)).astype(np.float32) for _ in range(4)]
    for index in range(round(seconds * fps)):
        t_s = index / fps
        level = round(openness(closures, t_s) * 10) / 10
        base = _drawn(replace(look or Look(), open=level))
        move = np.array([[1, 0, 5 * np.sin(t_s * 0.9)], [0, 1, 3 * np.sin(t_s * 1.3)]])
        moved = cv2.warpAffine(base, move, (640, 480), borderMode=cv2.BORDER_REPLICATE)
        noisy = np.clip(moved + noise[index % 4], 0, 255).astype(np.uint8)
        yield VideoFrame("blinks", index, t_s, noisy)


@lru_cache(maxsize=32)
def _drawn(look: Look) -> npt.NDArray[np.uint8]:
    return draw(look, face=150)
