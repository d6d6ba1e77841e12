"""What the process tells of itself: memory, heat, age, failing parts, drops."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_STATUS = Path("/proc/self/status")
_HEAT = Path("/sys/class/thermal/thermal_zone0/temp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """One moment of the process. `level`: the governor's named step, empty when everything runs."""

    t_s: float
    level: str
    rss_mb: float | None
    peak_mb: float | None
    temperature_c: float | None
    failing: Mapping[str, str]  # part → reason
    dropped: Mapping[str, int]  # queue → items since the start
    holes: Mapping[str, int] = field(default_factory=dict)  # in what came: `sound_gaps`, `damaged`; since the start
    outbox_items: int = 0
    link: str = "none"  # none, connecting, up


def memory_mb() -> tuple[float | None, float | None]:
    """Resident memory now and at its highest, MB (10⁶ bytes); None where the system does not tell."""
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None, None
    found = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith(("VmRSS", "VmHWM"))}
    now, peak = found.get("VmRSS"), found.get("VmHWM")
    return (int(now) * 1.024e-3 if now else None, int(peak) * 1.024e-3 if peak else None)


def temperature_c() -> float | None:
    """The board's temperature, or None where there is no sensor."""
    try:
        return int(_HEAT.read_text()) / 1000
    except (OSError, ValueError):
        return None


def age_s() -> float:
    """How long ago this process was started, in seconds (proc(5): field 22 of stat); 0 where that is unknown."""
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, AttributeError, IndexError):
        return 0.0


def cpu_s() -> float:
    """CPU seconds that this process has used."""
    times = os.times()
    return times.user + times.system
