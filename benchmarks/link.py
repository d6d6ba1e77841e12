"""The link: how quick it is on loopback, what it costs, and that faults lose and double nothing acknowledged.

`mien bench link` plays thirteen kinds of fault twenty times each, over 10,000 envelopes each; power cuts, clock jumps
and lost packets in a User-Mode Linux: half an hour. `--resume` goes on where a run ended, `--only speed` takes the
speeds again, which want a quiet machine for a minute or two, and leaves the rest. `--quick` takes one minute.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import link_brokers, link_cost
from benchmarks.link_latency import latency, surroundings
from benchmarks.link_ordeal import KINDS, Ordeal
from benchmarks.link_power import Machine
from benchmarks.link_speed import throughput
from benchmarks.parts import Part, Parts
from benchmarks.report import Result

_MACHINE = ("power_cut", "clock_jump", "lossy_net")
_ORDEALS = (*KINDS, *_MACHINE)  # the place in here is the seed
PARTS = ("speed", "memory", "flash", "brokers", *_ORDEALS)
_QUICK = ("speed", "memory", "flash", "cut", "bridge_kill", "device_kill", "broker_kill")
_COUNTS = ("acknowledged_lost", "duplicates_delivered", "faults_injected", "out_of_order", "calls_repeated")


def measure(data: Path | None, *, quick: bool, peers: bool, parts: Parts | None = None) -> Result:
    """Latency, cost, and what faults lose. Needs no data."""
    parts = parts or Parts(_QUICK if quick else PARTS)
    stop = threading.Event()
    with tempfile.TemporaryDirectory() as scratch:
        _take(parts, _work(Path(scratch), stop, quick=quick), stop)
    metrics: dict[str, float] = {}
    for name in ("speed", "memory", "flash"):
        metrics |= (parts.found(name) or {}).get("metrics", {})
    outcomes = {kind: found for kind in _ORDEALS if (found := parts.found(kind)) is not None}
    metrics |= {name: sum(found[name] for found in outcomes.values()) for name in _COUNTS if outcomes}
    detail = {**outcomes, "parts": parts.origins(), "not_measured": parts.not_measured}
    for name in ("speed", "brokers"):
        if (found := parts.found(name)) is not None:
            detail[name] = found.get("detail", found)
    return Result(metrics, detail=detail)


def _work(folder: Path, stop: threading.Event, *, quick: bool) -> dict[str, Callable[[], Part]]:
    """What each part does."""
    envelopes, faults = (200, 3) if quick else (10_000, 20)

    def speed() -> Part:
        quiet = surroundings()
        found, work = latency(folder, 200 if quick else 3_000)
        found |= throughput(folder, 1_000 if quick else 20_000)
        return {"metrics": found, "detail": {**quiet, "work": work}}

    def ordeal(seed: int, kind: str) -> dict[str, Any]:
        played = Machine if kind in _MACHINE else Ordeal
        return played(kind, folder / kind, envelopes, faults, seed, stop=stop).run()

    return {
        "speed": speed,
        "memory": lambda: {"metrics": link_cost.memory(folder / "memory")},
        "flash": lambda: {"metrics": link_cost.writes(folder / "writes")},
        "brokers": lambda: link_brokers.run(folder / "brokers", 1_000, 5),
        **{kind: partial(ordeal, seed, kind) for seed, kind in enumerate(_ORDEALS)},
    }


def _take(parts: Parts, work: dict[str, Callable[[], Part]], stop: threading.Event) -> None:
    """What measures time first, alone; then the ordeals, which mostly wait, beside each other."""
    for name in parts.wanted:
        if name not in _ORDEALS:
            parts.take(name, work[name])
    ordeals = [
        threading.Thread(target=parts.take, args=(kind, work[kind]), name=kind)
        for kind in parts.wanted
        if kind in _ORDEALS
    ]
    for thread in ordeals:
        thread.start()
    try:
        for thread in ordeals:
            thread.join()
    finally:  # also of Ctrl-C: no process of an ordeal outlives it
        stop.set()
        for thread in ordeals:
            thread.join()
