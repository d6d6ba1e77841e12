"""One shape for every benchmark: flat metrics with units in their names, the machine, the commit, the command."""

from __future__ import annotations

import json
import math
import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Result:
    """What one benchmark measured. Fractions are 0–1; a metric that could not be measured is absent, or NaN."""

    metrics: Mapping[str, float]
    peers: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    detail: Mapping[str, Any] = field(default_factory=dict)


def write(name: str, result: Result, out: Path, *, quick: bool) -> Path:
    """Keep `result` as `OUT/NAME.json` and give the file."""
    out.mkdir(parents=True, exist_ok=True)
    file = out / f"{name}.json"
    missing = {metric for metric, value in result.metrics.items() if isinstance(value, float) and math.isnan(value)}
    measured = {metric: value for metric, value in result.metrics.items() if metric not in missing}
    content = {**head(name, _command()), "quick": quick, **asdict(result), "metrics": measured}
    file.write_text(json.dumps(_finite(content), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return file


def _finite(value: Any) -> Any:
    """`value` with null where a figure has no end, as a median of what mostly never came: JSON has no infinity."""
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def head(name: str, command: str) -> dict[str, str]:
    """What every result begins with: where its figures come from, and how to get them again."""
    return {
        "name": name,
        "commit": commit(),
        "machine": machine(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
    }


def _command() -> str:
    """How to run it again; folders of this machine are of no use to others."""
    words = sys.argv[sys.argv.index("bench") + 1 :] if "bench" in sys.argv else sys.argv[1:]
    kept = [word for at, word in enumerate(words) if not {"--data", "--out"} & {word, *words[max(at - 1, 0) : at]}]
    return " ".join(["mien bench", *kept])


def table(name: str, result: Result) -> str:
    """The metrics for people: fractions as percentages, the rest as they are."""
    lines = [f"{name}"]
    for metric, value in result.metrics.items():
        lines.append(f"  {metric:36} {shown(metric, value)}")
    for peer, metrics in result.peers.items():
        lines.append(f"  against {peer}")
        lines += [f"    {metric:34} {shown(metric, value)}" for metric, value in metrics.items()]
    return "\n".join(lines)


_UNITS = ("ms", "mb", "s", "deg", "core", "h", "min", "ce", "bytes", "mediapipe", "off")
_COUNTS = {
    "dropped",
    "no_face_false_pos",
    "faults_injected",
    "acknowledged_lost",
    "duplicates_delivered",
    "out_of_order",
    "calls_repeated",
    "sim_unanswered",
    "sim_cut_off",
    "local_unanswered",
    "local_cut_off",
    "turns_lost",
    "kill_turns_lost",
    "kill_turns_answered_twice",
    "envelopes_unacknowledged",
    "broker_kill_turns_lost",
    "broker_kill_turns_answered_twice",
    "broker_kill_unacknowledged",
    "descriptors_growth",
    "threads_growth",
    "pulls_descriptors_growth",
    "pulls_abandoned",
}


def shown(metric: str, value: float) -> str:
    """One value as the tables print it."""
    counted = metric in _COUNTS or metric.startswith(("steps_down_", "lost_audio_"))
    fraction = not counted and not any(metric.endswith(f"_{unit}") for unit in _UNITS)
    if fraction and isinstance(value, float) and -1.0 <= value <= 1.0:
        return f"{100 * value:8.2f} %"
    return f"{value:10.3f}"


def commit() -> str:
    """The checkout's commit, `+` when it is changed; `unknown` outside one."""
    try:
        head, changed = _git("rev-parse", "--short", "HEAD"), _git("status", "--porcelain")
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return head + ("+" if changed else "")


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30.0)
    return done.stdout.strip()


def machine() -> str:
    """Processor, its vector width that decides int8 speed, cores, system."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    fields = {key.strip(): value for key, _, value in (line.partition(":") for line in lines)}
    name = fields.get("model name") or platform.processor() or platform.machine()
    flags = fields.get("flags", "").split()
    vector = next((one for one in ("avx512_vnni", "avx512f", "avx2") if one in flags), platform.machine())
    cores = sum(line.startswith("processor") for line in lines) or 1
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    return f"{name.strip()}, {vector}, {cores} cores, {system}"
