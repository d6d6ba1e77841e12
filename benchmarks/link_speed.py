"""How many envelopes one outbox keeps, and hands over to a bridge; and the benchmark's other processes."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.link_device import sample
from benchmarks.link_faults import free_port
from benchmarks.link_work import Spent
from edge.outbox import Outbox
from edge.uplink import Uplink
from edge.wire.envelope import Sealer


def peer(role: str, *args: object, within: Sequence[str] = ()) -> subprocess.Popen[str]:
    """Another process of the benchmark, in a `role` of link_peer or link_device, run by the command `within`."""
    module = "benchmarks.link_device" if role in {"device", "fleeting_device", "weigh"} else "benchmarks.link_peer"
    command = [*within, sys.executable, "-m", module, role, *map(str, args)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def ready(process: subprocess.Popen[str]) -> list[str]:
    """Wait until it says `ready`, and what it says with that."""
    assert process.stdout is not None
    line = process.stdout.readline().split()
    if not line or line[0] != "ready":
        raise RuntimeError("a process of the benchmark did not start")
    return line[1:]


def quantiles(name: str, waits_s: list[float]) -> dict[str, float]:
    """The median and the 95th percentile, in ms."""
    cuts = statistics.quantiles(waits_s, n=20)
    return {f"{name}_p50_ms": cuts[9] * 1e3, f"{name}_p95_ms": cuts[18] * 1e3}


def throughput(folder: Path, count: int) -> dict[str, float]:
    """One outbox, all durable: how many envelopes a second are on disk; and how many a bridge has durably taken."""
    folder.mkdir(exist_ok=True)
    other = peer("bridge", folder / "throughput.sqlite", port := free_port(), 0)
    ready(other)
    box = Outbox(folder / "throughput-outbox.sqlite", 64 << 20)
    sealer = Sealer("bench")
    uplink = Uplink(box, [f"grpc://127.0.0.1:{port}"], sealer.hello("bench"), on_reply=lambda reply: None)
    envelopes = [sample(sealer) for _ in range(count)]
    sizes = [envelope.ByteSize() for envelope in envelopes]
    try:
        began = time.perf_counter()
        kept = [box.offer(envelope, linger_s=0.0) for envelope in envelopes]
        for one in kept:
            one.result(120)
        durable_s = time.perf_counter() - began
        commits = box.counts["commits"]
        before = [Spent.by(pid) for pid in (os.getpid(), other.pid)]
        uplink.start()
        began = time.perf_counter()
        while len(box):
            time.sleep(0.002)
        taken_s = time.perf_counter() - began
        ends = [Spent.by(pid).since(past) for pid, past in zip((os.getpid(), other.pid), before, strict=True)]
        waits = []
        for _ in range(200):
            began = time.perf_counter()
            box.offer(sample(sealer)).result(30)
            waits.append(time.perf_counter() - began)
    finally:
        uplink.stop(0)
        box.close()
        other.kill()
        other.communicate()
    return {
        "envelopes_per_s": count / durable_s,
        "acknowledged_per_s": count / taken_s,
        "acknowledged_device_cpu_us": ends[0].cpu_us / count,
        "acknowledged_bridge_cpu_us": ends[1].cpu_us / count,
        "envelopes_per_commit": count / commits,
        "envelope_bytes_p50": statistics.median(sizes),
        **quantiles("offer_to_durable_ack", waits),
    }
