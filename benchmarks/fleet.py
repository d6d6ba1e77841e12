"""The fleet: how many devices one bridge serves, whether it grows, and what is lost when one of two is killed.

`mien bench fleet`: 2,000 devices, an envelope a second each and a turn a minute, on one bridge for ten minutes; 5,000
for one; then 200 devices on two bridges, one of them killed, by gRPC; and 24 of the real device's links through
Mosquitto to two bridges, one of them killed. The language model is simulated (first token after 200 ms), the bridges,
the wire, the history, the broker and Redis are real. Where there are two cores the bridge has one of its own, and the
devices and all the rest share the other: how late their processes are themselves is told beside. `--quick`: 100
devices, 10 s.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.fleet_broker import killed_at_a_broker
from benchmarks.fleet_devices import CONNECTS_PER_S, REST_S, WINDOW_S
from benchmarks.fleet_processes import Watch, bridge_process, load_process, simulated_model
from benchmarks.link_faults import Redis, ToolAbsent, free_port
from benchmarks.report import Result

_OF_ONE_PROCESS = 500  # devices: so that the one that sends is not the limit


def measure(data: Path | None, *, quick: bool, peers: bool) -> Result:
    """One bridge under load, then one of two killed. Needs no data, but Debian's redis-server for the second part."""
    metrics: dict[str, float] = {}
    detail: dict[str, Any] = {"cores": os.cpu_count()}
    devices, seconds = (100, 10.0) if quick else (2_000, 600.0)
    with tempfile.TemporaryDirectory() as scratch, simulated_model() as model:
        metrics |= _scale(Path(scratch), model, devices, seconds, detail)
        if not quick:
            aim: dict[str, Any] = {}
            found = _scale(Path(scratch), model, 5_000, 60.0, aim)
            detail["aim"] = aim["scale"] | {name: found[name] for name in found if name not in aim["scale"]}
        try:
            metrics |= _kill(Path(scratch), model, 40 if quick else 200, 12.0 if quick else 60.0, detail)
            metrics |= killed_at_a_broker(Path(scratch), model, 6 if quick else 24, 12.0 if quick else 60.0)
        except ToolAbsent as error:
            detail["kill"] = str(error)
    return Result(metrics, detail=detail)


def _scale(folder: Path, model: str, devices: int, seconds: float, detail: dict[str, Any]) -> dict[str, float]:
    with ExitStack() as stack:
        port = free_port()
        bridge = stack.enter_context(bridge_process(folder / f"for{devices}", model, port))
        watch = stack.enter_context(Watch(bridge.pid))
        parts = -(-devices // _OF_ONE_PROCESS)
        loads = [
            load_process(f"127.0.0.1:{port}", f"d{part}", devices // parts, seconds, 60, parts=parts)
            for part in range(parts)
        ]
        found = _together([json.loads(load.communicate()[0]) for load in loads])
        windows, lags = found.pop("ack_ms"), found.pop("lag_ms")
        detail["scale"] = found | {"rss_mb": watch.rss_mb[:: max(1, len(watch.rss_mb) // 60)]}
        detail["scale"]["window_s"] = WINDOW_S
        detail["scale"]["window_p99_ms"] = [_quantile(window, 0.99) for window in windows if window]
    acks = sorted(one for window in windows for one in window)
    return {
        "devices": devices,
        "envelope_ack_p50_ms": _quantile(acks, 0.5),
        "envelope_ack_p99_ms": _quantile(acks, 0.99),
        "sender_lag_p99_ms": _quantile(lags, 0.99),
        "envelopes_unacknowledged": found["unacknowledged"],
        "bridge_core": watch.core,
        "bridge_rss_mb": max(watch.rss_mb),
        "bridge_growth_10_min_mb": watch.slope_mb_per_s * 600,
        "turns_lost": found["lost"],
    }


def _kill(folder: Path, model: str, devices: int, seconds: float, detail: dict[str, Any]) -> dict[str, float]:
    with ExitStack() as stack:
        redis = Redis(folder / "redis")
        stack.callback(redis.close)
        ports = [free_port(), free_port()]
        bridges = [
            stack.enter_context(bridge_process(folder / f"b{port}", model, port, "--redis", redis.url, core=False))
            for port in ports
        ]
        load = load_process(",".join(f"127.0.0.1:{port}" for port in ports), "k", devices, seconds, 5)
        time.sleep(devices / CONNECTS_PER_S + REST_S + seconds / 2)
        bridges[0].kill()
        found = json.loads(load.communicate()[0])
        detail["kill"] = {name: value for name, value in found.items() if name not in ("ack_ms", "lag_ms")}
    gaps = sorted(found["gaps_s"])
    return {
        "kill_turns": found["turns"],
        "kill_turns_lost": found["lost"],
        "kill_turns_answered_twice": found["answered_twice"],
        "kill_devices_moved": len(gaps),
        "kill_gap_p50_s": _quantile(gaps, 0.5),
        "kill_gap_max_s": max(gaps, default=float("nan")),
    }


def _together(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    found = {name: sum(part[name] for part in parts) for name in ("turns", "lost", "answered_twice", "unacknowledged")}
    found["sender_core"] = sum(part["sender_core"] for part in parts)
    found["lag_ms"] = sorted(one for part in parts for one in part["lag_ms"])
    windows = zip(*(part["ack_ms"] for part in parts), strict=True)
    return found | {"ack_ms": [sorted(one for part in window for one in part) for window in windows]}


def _quantile(values: Sequence[float], part: float) -> float:
    return values[min(len(values) - 1, int(part * len(values)))] if values else float("nan")
