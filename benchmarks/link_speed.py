"""The link on loopback: round trips of each transport, and how many envelopes one outbox keeps and hands over."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.link_device import sample
from benchmarks.link_faults import Mosquitto, free_port, open_config
from edge.outbox import Outbox
from edge.uplink import Uplink
from edge.wire.envelope import Sealer
from edge.wire.mqtt import Mqtt


def peer(role: str, *args: object, within: Sequence[str] = ()) -> subprocess.Popen[str]:
    """Another process of the benchmark, in a `role` of link_peer or link_device, run by the command `within`."""
    module = "benchmarks.link_device" if role in {"device", "weigh"} else "benchmarks.link_peer"
    command = [*within, sys.executable, "-m", module, role, *map(str, args)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def ready(process: subprocess.Popen[str]) -> list[str]:
    """Wait until it says `ready`, and what it says with that."""
    assert process.stdout is not None
    line = process.stdout.readline().split()
    if not line or line[0] != "ready":
        raise RuntimeError("a process of the benchmark did not start")
    return line[1:]


def _quantiles(name: str, waits_s: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(waits_s, n=20)
    return {f"{name}_p50_ms": cuts[9] * 1e3, f"{name}_p95_ms": cuts[18] * 1e3}


async def mqtt_latency(folder: Path, rounds: int) -> dict[str, float]:
    """Device → broker → other end → broker → device, one at a time, a typical envelope."""
    port = free_port()
    broker = Mosquitto(folder / "latency", open_config(port), port=port)
    other = peer("mqtt_echo", port)
    ready(other)
    payload = sample(Sealer("bench")).SerializeToString()
    mqtt = Mqtt("127.0.0.1", port, "pinger")
    found: dict[str, float] = {}
    try:
        await mqtt.connect()
        await mqtt.subscribe("down/+", qos=2)
        for qos in (0, 1, 2):
            waits = []
            for _ in range(rounds):
                began = time.perf_counter()
                await mqtt.publish(f"up/{qos}", payload, qos=qos)
                await mqtt.receive()
                waits.append(time.perf_counter() - began)
            found |= _quantiles(f"mqtt_qos{qos}", waits)
    finally:
        await mqtt.close()
        other.kill()
        other.communicate()
        broker.close()
    return found


async def grpc_latency(rounds: int) -> dict[str, float]:
    """Device → other end → device on one bidirectional stream."""
    import grpc  # as the device has it: `edge.transports` told it how to wait

    other = peer("grpc_echo")
    (port,) = ready(other)
    payload = sample(Sealer("bench")).SerializeToString()
    waits = []
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = channel.stream_stream("/bench/Echo")()
            for _ in range(rounds):
                began = time.perf_counter()
                await call.write(payload)
                await call.read()
                waits.append(time.perf_counter() - began)
    finally:
        other.kill()
        other.communicate()
    return _quantiles("grpc", waits)


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
        uplink.start()
        began = time.perf_counter()
        while len(box):
            time.sleep(0.002)
        taken_s = time.perf_counter() - began
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
        "envelopes_per_commit": count / commits,
        "envelope_bytes_p50": statistics.median(sizes),
        **_quantiles("offer_to_durable_ack", waits),
    }
