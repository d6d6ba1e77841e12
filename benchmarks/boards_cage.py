"""A process in the memory and the share of one core that a small board has: by control group, else by rlimit."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_V1 = {"memory": Path("/sys/fs/cgroup/memory"), "cpu": Path("/sys/fs/cgroup/cpu")}
_V2 = Path("/sys/fs/cgroup")
_PERIOD_US = 100_000
_RUN_S = 900.0  # a clip takes as long as it plays, and its models as long as the quota makes them; more hangs


@dataclass(frozen=True, slots=True)
class Cage:
    """`memory_mb` (10⁶ bytes) for the process and the files it reads, and `core_pct` per cent of one core."""

    memory_mb: int
    core_pct: int


def run(cage: Cage, command: Sequence[str], env: Mapping[str, str]) -> dict[str, Any]:
    """Run `command` inside; `means`, `status` (negative: the signal), `killed_for_memory`, `group_peak_mb`,
    `throttled_s` (None where the means cannot tell), `output` and the end of `error`. Raises TimeoutExpired."""
    limit = cage.memory_mb * 1_000_000
    with _groups(cage, limit) as (means, files):

        def enter() -> None:
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
            for file in files:
                (file / "cgroup.procs").write_text("0")
            if not files:
                resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=dict(env), preexec_fn=enter, timeout=_RUN_S
        )
        peak = _number(files, "memory.max_usage_in_bytes", "memory.peak")
        return {
            "means": means,
            "status": done.returncode,
            "killed_for_memory": done.returncode in (-9, 137),
            "group_peak_mb": None if peak is None else peak / 1e6,
            "throttled_s": _throttled_s(files),
            "output": done.stdout,
            "error": done.stderr[-500:],
        }


@contextlib.contextmanager
def _groups(cage: Cage, limit: int) -> Iterator[tuple[str, list[Path]]]:
    """Fresh control groups with the limits, gone afterwards; none where this system lets us make none."""
    name = f"mien-{os.getpid()}-{time.monotonic_ns()}"
    quota_us = cage.core_pct * _PERIOD_US // 100
    made: list[Path] = []
    try:
        means = "rlimit of data, no quota of CPU"
        with contextlib.suppress(OSError):
            if all((place / "cgroup.procs").exists() for place in _V1.values()):
                for place in _V1.values():
                    (place / name).mkdir()
                    made.append(place / name)
                _set(made[0], {"memory.limit_in_bytes": limit, "memory.memsw.limit_in_bytes": limit})
                _set(made[1], {"cpu.cfs_period_us": _PERIOD_US, "cpu.cfs_quota_us": quota_us})
                means = "control groups, version 1"
            elif (_V2 / "cgroup.controllers").exists():
                (_V2 / name).mkdir()
                made.append(_V2 / name)
                _set(made[0], {"memory.max": limit, "memory.swap.max": 0, "cpu.max": f"{quota_us} {_PERIOD_US}"})
                means = "control group, version 2"
        if "control" not in means:
            _remove(made)
        yield means, made
    finally:
        _remove(made)


def _set(group: Path, values: Mapping[str, object]) -> None:
    for name, value in values.items():
        if name.startswith("memory.memsw") and not (group / name).exists():
            continue  # a kernel that accounts no swap
        (group / name).write_text(str(value))


def _remove(groups: list[Path]) -> None:
    while groups:
        group = groups.pop()
        for _ in range(50):  # the kernel lets go of the last process a moment after it was waited for
            try:
                group.rmdir()
                break
            except OSError:
                time.sleep(0.02)


def _number(groups: Sequence[Path], *names: str) -> int | None:
    for group in groups:
        for name in names:
            with contextlib.suppress(OSError, ValueError):
                return int((group / name).read_text())
    return None


def _throttled_s(groups: Sequence[Path]) -> float | None:
    for group in groups:
        with contextlib.suppress(OSError):
            for line in (group / "cpu.stat").read_text().splitlines():
                key, _, value = line.partition(" ")
                if key == "throttled_time":
                    return int(value) / 1e9
                if key == "throttled_usec":
                    return int(value) / 1e6
    return None
