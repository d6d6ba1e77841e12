"""The link: how quick it is on loopback, and that faults lose nothing acknowledged and double nothing.

Every other end is a process of its own. A fault run puts envelopes on a device while the bridge, the broker, the
device or the network between them is killed, cut or slowed at random moments; afterwards every envelope for which
`put()` had returned must be among the application's durable effects, once, in order per priority.
`mien bench link` takes about 25 minutes; `--quick` one.
"""

from __future__ import annotations

import asyncio
import random
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from benchmarks.link_faults import BrokerAbsent, Chaos, Mosquitto, free_port, open_config
from benchmarks.link_peer import sample
from benchmarks.report import Result
from edge.outbox import Outbox
from edge.uplink import Uplink
from edge.wire.envelope import Sealer
from edge.wire.mqtt import Mqtt

_KINDS = {  # fault → scheme it is played on
    "cut": "grpc",
    "long_cut": "grpc",
    "loss_and_delay": "grpc",
    "bridge_kill": "grpc",
    "device_kill": "grpc",
    "broker_restart": "mqtt",
    "broker_kill": "mqtt",
    "bridge_kill_mqtt": "mqtt",
}
_QUICK = ("cut", "bridge_kill", "device_kill", "broker_kill")


def measure(data: Path | None, *, quick: bool, peers: bool) -> Result:
    """PROTOCOL's figures of the link. Needs no data."""
    rounds, envelopes, faults = (300, 200, 3) if quick else (3_000, 10_000, 20)
    metrics: dict[str, float] = {}
    detail: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        try:
            metrics |= asyncio.run(_mqtt_latency(folder, rounds))
        except BrokerAbsent as error:
            detail["mqtt"] = str(error)
        metrics |= asyncio.run(_grpc_latency(rounds))
        metrics |= _throughput(folder, 1_000 if quick else 20_000)
        total: Counter[str] = Counter()
        for seed, kind in enumerate(_QUICK if quick else _KINDS):
            if _KINDS[kind] == "mqtt" and "mqtt" in detail:
                continue
            outcome = _Ordeal(kind, folder / kind, envelopes, faults, seed).run()
            detail[kind] = outcome
            total.update({name: value for name, value in outcome.items() if isinstance(value, int)})
    for name in ("acknowledged_lost", "duplicates_delivered", "faults_injected", "out_of_order"):
        metrics[name] = total[name]
    return Result(metrics, detail=detail)


# ---------------------------------------------------------------- quick on loopback


def _peer(role: str, *args: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.link_peer", role, *map(str, args)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _ready(peer: subprocess.Popen[str]) -> list[str]:
    assert peer.stdout is not None
    line = peer.stdout.readline().split()
    if not line or line[0] != "ready":
        raise RuntimeError("a process of the benchmark did not start")
    return line[1:]


def _quantiles(name: str, waits_s: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(waits_s, n=20)
    return {f"{name}_p50_ms": cuts[9] * 1e3, f"{name}_p95_ms": cuts[18] * 1e3}


async def _mqtt_latency(folder: Path, rounds: int) -> dict[str, float]:
    """Device → broker → other end → broker → device, one at a time, a typical envelope."""
    port = free_port()
    broker = Mosquitto(folder / "latency", open_config(port), port=port)
    peer = _peer("mqtt_echo", port)
    _ready(peer)
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
        peer.kill()
        peer.communicate()
        broker.close()
    return found


async def _grpc_latency(rounds: int) -> dict[str, float]:
    """Device → other end → device on one bidirectional stream."""
    peer = _peer("grpc_echo")
    (port,) = _ready(peer)
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
        peer.kill()
        peer.communicate()
    return _quantiles("grpc", waits)


def _throughput(folder: Path, count: int) -> dict[str, float]:
    """One outbox, all durable: how many envelopes a second are on disk; and how many a bridge has durably taken."""
    folder.mkdir(exist_ok=True)
    peer = _peer("bridge", folder / "throughput.sqlite", port := free_port(), 0)
    _ready(peer)
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
        peer.kill()
        peer.communicate()
    return {
        "envelopes_per_s": count / durable_s,
        "acknowledged_per_s": count / taken_s,
        "envelopes_per_commit": count / commits,
        "envelope_bytes_p50": statistics.median(sizes),
        **_quantiles("offer_to_durable_ack", waits),
    }


# ---------------------------------------------------------------- faults


@dataclass
class _Ordeal:
    """One kind of fault, `faults` times at random moments, while a device puts `envelopes`."""

    kind: str
    folder: Path
    envelopes: int
    faults: int
    seed: int
    acknowledged: list[tuple[int, int, int]] = field(default_factory=list)  # boot, seq, priority: put() returned

    def run(self) -> dict[str, Any]:
        """Play it, and count what was lost, doubled and out of order."""
        self.folder.mkdir(parents=True)
        self._rng = random.Random(self.seed)  # noqa: S311
        self._store = self.folder / "seen.sqlite"
        self._grpc_port, broker_port = free_port(), free_port()
        mqtt = _KINDS[self.kind] == "mqtt"
        config = open_config(broker_port, "max_queued_messages 0")
        self._broker = Mosquitto(self.folder / "broker", config, port=broker_port) if mqtt else None
        self._broker_port = broker_port if mqtt else 0
        self._start_bridge()
        self._net = Chaos(broker_port if mqtt else self._grpc_port, self.seed)
        if self.kind == "loss_and_delay":
            self._net.delay_s, self._net.loss = 0.15, 0.3
        self._uri = f"{_KINDS[self.kind]}://127.0.0.1:{self._net.port}"
        self._drained = threading.Event()
        began = time.monotonic()
        try:
            self._start_device()
            played = self._play()
            self._finish()
        finally:
            self._device.kill()
            self._device.communicate()
            self._bridge.kill()
            self._bridge.communicate()
            self._net.close()
            if self._broker is not None:
                self._broker.close()
        return {**self._judge(), "faults_injected": played, "seconds": round(time.monotonic() - began, 1)}

    def _play(self) -> int:
        """Do each fault when its share of the envelopes is put; those that need the link between are spread evenly."""
        hit: Callable[[], None] = getattr(self, f"_{self.kind.removesuffix('_mqtt')}")
        for number in range(self.faults):
            due = self.envelopes * (number + self._rng.random()) / self.faults
            while len(self.acknowledged) < due and not self._drained.is_set():
                time.sleep(0.002)
            time.sleep(self._rng.random() * 0.05)
            hit()
        return self.faults

    def _finish(self) -> None:
        """The device puts what is left of the envelopes and waits until all is acknowledged."""
        end = time.monotonic() + 900
        while not self._drained.wait(0.1):
            if time.monotonic() > end:
                raise RuntimeError(f"{self.kind}: not everything was acknowledged in 15 minutes")

    def _cut(self) -> None:
        self._net.cut()

    def _long_cut(self) -> None:
        """A minute once; a second the other times."""
        self._net.refusing = True
        self._net.cut()
        time.sleep(60.0 if self._net.cuts == 1 else 1.0)
        self._net.refusing = False

    def _loss_and_delay(self) -> None:
        self._net.cut()

    def _bridge_kill(self) -> None:
        self._bridge.kill()
        self._bridge.communicate()
        self._start_bridge()

    def _device_kill(self) -> None:
        self._device.send_signal(signal.SIGKILL)
        self._reader.join()
        self._device.wait()
        self._start_device()

    def _broker_restart(self) -> None:
        assert self._broker is not None
        self._broker.close()
        self._broker.start()

    def _broker_kill(self) -> None:
        assert self._broker is not None
        self._broker.kill()
        self._broker.start()

    def _start_bridge(self) -> None:
        self._bridge = _peer("bridge", self._store, self._grpc_port, self._broker_port)
        _ready(self._bridge)

    def _start_device(self) -> None:
        left = max(0, self.envelopes - len(self.acknowledged))
        pause_s = 0.002 if self.envelopes > 1_000 else 0.01
        self._device = _peer(
            "device", self.folder / "outbox.sqlite", self._uri, left, pause_s, self._rng.getrandbits(32)
        )
        self._reader = threading.Thread(target=self._read, args=(self._device,), daemon=True)
        self._reader.start()

    def _read(self, device: subprocess.Popen[str]) -> None:
        assert device.stdout is not None
        for line in device.stdout:
            if line == "drained\n":
                self._drained.set()
            elif line.endswith("\n"):
                boot, seq, priority = map(int, line.split())
                self.acknowledged.append((boot, seq, priority))

    def _judge(self) -> dict[str, int]:
        with sqlite3.connect(self._store) as db:
            rows = db.execute("SELECT body FROM effect ORDER BY id").fetchall()
        effects = [tuple(map(int, body.split())) for (body,) in rows]
        calls = [tuple(map(int, line.split())) for line in Path(f"{self._store}.calls").read_text().splitlines()]
        last: dict[tuple[int, int], int] = {}
        disorder = 0
        for boot, seq, priority in effects:
            disorder += seq < last.get((boot, priority), 0)
            last[boot, priority] = seq
        return {
            "envelopes": len(self.acknowledged),
            "acknowledged_lost": len(set(self.acknowledged) - set(effects)),
            "duplicates_delivered": len(effects) - len(set(effects)),
            "calls_repeated": len(calls) - len(set(calls)),  # of a killed bridge's application, in its next life
            "out_of_order": disorder,
        }
