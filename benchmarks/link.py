"""The link: how quick it is on loopback, what it costs, and that faults lose and double nothing acknowledged.

`mien bench link` plays twelve kinds of fault twenty times each, over 10,000 envelopes each; power cuts, clock jumps
and lost packets in a User-Mode Linux: about 50 minutes. `--quick` takes one.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks import link_brokers, link_cost
from benchmarks.link_faults import ToolAbsent
from benchmarks.link_floor import floors
from benchmarks.link_ordeal import KINDS, Ordeal
from benchmarks.link_power import Machine
from benchmarks.link_speed import grpc_latency, mqtt_latency, throughput
from benchmarks.report import Result

_QUICK = ("cut", "bridge_kill", "device_kill", "broker_kill")
_SLOW = 5  # times fewer envelopes where TCP itself brings some three a second over
_WAITING = ("long_cut", "lossy_net")
_MACHINE = ("power_cut", "clock_jump", "lossy_net")


def measure(data: Path | None, *, quick: bool, peers: bool) -> Result:
    """Latency, cost, and what faults lose. Needs no data."""
    rounds, envelopes, faults = (300, 200, 3) if quick else (3_000, 10_000, 20)
    metrics: dict[str, float] = {}
    detail: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        try:
            metrics |= floors(folder, rounds)
            metrics |= asyncio.run(mqtt_latency(folder, rounds))
            metrics |= link_cost.memory(folder / "memory")
        except ToolAbsent as error:
            detail["mqtt"] = str(error)
        metrics |= asyncio.run(grpc_latency(rounds))
        metrics |= throughput(folder, 1_000 if quick else 20_000)
        metrics |= link_cost.writes(folder / "writes")
        if not quick:
            detail["brokers"] = link_brokers.run(folder / "brokers", 1_000, 5)
        detail |= _ordeals(folder, _QUICK if quick else (*KINDS, *_MACHINE), envelopes, faults)
    total: Counter[str] = Counter()
    for outcome in detail.values():
        if isinstance(outcome, dict):
            total.update({name: value for name, value in outcome.items() if isinstance(value, int)})
    for name in ("acknowledged_lost", "duplicates_delivered", "faults_injected", "out_of_order", "calls_repeated"):
        metrics[name] = total[name]
    return Result(metrics, detail=detail)


def _ordeals(folder: Path, kinds: tuple[str, ...], envelopes: int, faults: int) -> dict[str, Any]:
    """All of them, those that mostly wait beside the others; each with the seed of its place in the list."""

    def play(seed: int, kind: str) -> dict[str, Any] | str:
        try:
            if kind in _MACHINE:
                count = envelopes // _SLOW if kind == "lossy_net" else envelopes
                return Machine(kind, folder / kind, count, faults, seed).run()
            return Ordeal(kind, folder / kind, envelopes, faults, seed).run()
        except ToolAbsent as error:
            return str(error)

    numbered = list(enumerate(kinds))
    with ThreadPoolExecutor(len(_WAITING)) as waiting:
        beside = {kind: waiting.submit(play, seed, kind) for seed, kind in numbered if kind in _WAITING}
        found = {kind: play(seed, kind) for seed, kind in numbered if kind not in beside}
        return found | {kind: future.result() for kind, future in beside.items()}
