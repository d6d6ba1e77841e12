"""Is this a processor that the models run on, and has it room?"""

from __future__ import annotations

import os
import platform
from pathlib import Path

from edge.config import Config
from edge.doctor.base import Finding

_KNOWN = frozenset({"x86_64", "amd64", "aarch64", "arm64"})
_HOT_C = 80.0


def check(config: Config, *, root: Path = Path("/")) -> list[Finding]:
    """Architecture, heat and load."""
    machine = platform.machine().lower()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    what = f"{machine}, {cores} core{'s' if cores > 1 else ''}"
    if machine not in _KNOWN:
        return [Finding("cpu", "fail", f"{what}: there are no model engines for it", "use a 64-bit system")]
    if (hottest := _hottest_c(root)) is not None:
        what += f", {hottest:.0f} °C"
        if hottest >= _HOT_C:
            return [Finding("cpu", "warn", f"{what}: it slows down", "give it a heat sink or a fan")]
    if (load := os.getloadavg()[0]) > cores:
        return [
            Finding("cpu", "warn", f"{what}, load {load:.1f}: others use it", "end other programs (`top` shows them)")
        ]
    return [Finding("cpu", "ok", what)]


def _hottest_c(root: Path) -> float | None:
    """The hottest sensor of the processor, or None where there is none."""
    found = []
    for file in (root / "sys/class/thermal").glob("thermal_zone*/temp"):
        try:
            found.append(int(file.read_text(encoding="ascii")) / 1000)
        except (OSError, ValueError):  # a zone that is switched off
            continue
    return max(found, default=None)
