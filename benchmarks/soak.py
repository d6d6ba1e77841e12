"""What stays behind: memory and descriptors over hours of material, and over a camera and microphone pulled 50 times.

Clips in a row through the whole loop, an hour of real time as fast as they can be perceived, and the hours of material
that this came to; then both devices pulled and plugged in again. `mien bench soak`; `MIEN_SOAK_MINUTES` takes another
time than the hour.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import ROOT, Result

NEEDS_DATA = False
_WARM = 0.2  # of the run: caches fill, pools grow to their size
_BLOCKS = 10
_T_8 = 2.306  # Student's t, 95 % two-sided, 8 degrees of freedom
_SPARE_S = 900.0  # over its own time: loading, the last clip, ending
_PULL_S = 60.0  # a device that stays away longer fails the run by itself


def measure(data: Path | None, *, quick: bool, peers: bool) -> Result:
    """Slope of memory in MB per hour of material with its 95 % interval, descriptors, drops, and the pulls."""
    clips = sorted((data / "clips").glob("*.mp[g4]")) if data else []
    minutes = float(os.environ.get("MIEN_SOAK_MINUTES", "60"))
    with tempfile.TemporaryDirectory() as scratch:
        length = ["--material", "12", "--every", "1"] if quick else ["--minutes", str(minutes), "--every", "10"]
        reel = _run("soak_reel", Path(scratch), *length, *map(str, clips), limit_s=60 * minutes + _SPARE_S)
        pulls = 2 if quick else 50
        pauses = ["--pause", "0.05", "--longest-pause", "0.1"] if quick else []
        limit_s = 2 * pulls * _PULL_S + _SPARE_S
        plug = _run("soak_plug", Path(scratch), "--pulls", str(pulls), *pauses, limit_s=limit_s)
    return Result(metrics(reel, plug), detail={"reel": reel, "plug": plug})


def metrics(reel: dict[str, Any], plug: dict[str, Any]) -> dict[str, float]:
    """The figures of both parts; the slope only where the run was long enough for one."""
    samples = [(s, rss, fds, threads) for s, rss, fds, threads in reel["samples"] if rss is not None]
    warm = samples[int(_WARM * len(samples)) :]
    found = {
        "material_h": reel["played_s"] / 3600,
        "wall_h": reel["wall_s"] / 3600,
        "times_real_time": reel["played_s"] / reel["cpu_s"],
        "dropped": float(sum(reel["summary"]["dropped"].values())),
        "descriptors_growth": float(warm[-1][2] - warm[0][2]),
        "threads_growth": float(warm[-1][3] - warm[0][3]),
        "rss_end_mb": warm[-1][1],
        "pulls": float(plug["pulls"]),
        "pulls_back_p50_s": statistics.median(plug["back_s"]),
        "pulls_back_max_s": max(plug["back_s"]),
        "pulls_descriptors_growth": float(plug["after"]["descriptors"] - plug["before"]["descriptors"]),
        "pulls_rss_growth_mb": late_growth(plug["rss_mb"]),
        "pulls_abandoned": float(plug["abandoned"]),
    }
    if len(warm) >= 2 * _BLOCKS:
        slope, half = slope_mb_per_h([(s, rss) for s, rss, _, _ in warm])
        found |= {"rss_slope_mb_per_h": slope, "rss_slope_half_mb_per_h": half}
    return found


def late_growth(rounds: Sequence[float]) -> float:
    """From the third quarter's median to the last's: what the first rounds take, pools keep, and give to the next."""
    half = list(rounds)[len(rounds) // 2 :]
    middle = max(1, len(half) // 2)
    return statistics.median(half[middle:] or half) - statistics.median(half[:middle])


def slope_mb_per_h(samples: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Least squares through the means of ten blocks of (s, MB), and half the width of its 95 % interval.

    Blocks, because neighbouring samples of memory are not independent: a page that came stays.
    """
    parts = np.array_split(np.asarray(samples, np.float64), _BLOCKS)
    hours, mb = (np.array([part[:, column].mean() for part in parts]) for column in (0, 1))
    hours /= 3600
    spread = float(((hours - hours.mean()) ** 2).sum())
    slope = float(((hours - hours.mean()) * (mb - mb.mean())).sum()) / spread
    rest = mb - mb.mean() - slope * (hours - hours.mean())
    return slope, _T_8 * math.sqrt(float((rest**2).sum()) / (_BLOCKS - 2) / spread)


def _run(module: str, scratch: Path, *args: str, limit_s: float) -> dict[str, Any]:
    """What `benchmarks.MODULE` wrote; it runs in a process of its own, on one thread per library.

    Raises TimeoutExpired where it hangs.
    """
    out = scratch / f"{module}.json"
    command = [sys.executable, "-m", f"benchmarks.{module}", "--out", str(out), *args]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "MIEN_STATE": str(scratch)}
    subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, check=True, timeout=limit_s)
    found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return found
