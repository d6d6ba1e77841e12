"""Is there memory for the loop?"""

from __future__ import annotations

from pathlib import Path

from edge.config import Config
from edge.doctor.base import Finding

# Peaks that `mien bench loop` measures (docs/profile.md), rounded up.
_NEEDS_MB, _NEEDS_WITH_WORDS_MB = 180, 260
_CGROUPS = ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes")


def check(config: Config, *, root: Path = Path("/")) -> list[Finding]:
    """Compares what is free, and what this process may use, with what the loop needs."""
    needs_mb = _NEEDS_WITH_WORDS_MB if config.perceive.words else _NEEDS_MB
    try:
        rows = (line.split(":") for line in (root / "proc/meminfo").read_text(encoding="ascii").splitlines())
        kb = {key: int(value.split()[0]) for key, value in rows}
    except OSError:
        return [Finding("memory", "warn", "this system does not tell its memory (no /proc/meminfo)")]
    total_mb, free_mb = kb["MemTotal"] // 1024, kb["MemAvailable"] // 1024
    limit_mb = _limit_mb(root)
    room_mb = free_mb if limit_mb is None else min(free_mb, limit_mb)
    what = f"{room_mb} MB can be used (of {total_mb} MB); the loop needs about {needs_mb} MB"
    if room_mb < needs_mb:
        mend = "switch words off ([perceive] words = false)" if config.perceive.words else "end other programs"
        if limit_mb is not None and limit_mb < needs_mb:
            mend = "raise the memory limit of the container or service"
        return [Finding("memory", "fail", what, mend)]
    if config.memory_mb > room_mb:
        mend = f"set memory_mb = {room_mb}, so that Mien steps down before the system kills it"
        return [Finding("memory", "warn", f"{what}; memory_mb = {config.memory_mb} is more than there is", mend)]
    return [Finding("memory", "ok", what)]


def _limit_mb(root: Path) -> int | None:
    """The control group's limit, or None where there is none."""
    for name in _CGROUPS:
        file = root / name
        if file.is_file() and (text := file.read_text(encoding="ascii").strip()).isdigit():
            limit_mb = int(text) >> 20
            return limit_mb if limit_mb < 1 << 30 else None  # an unlimited group states a number near 2**63
    return None
