"""The processes that the link benchmark starts and kills: `python -m benchmarks.link_peer ROLE …`."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.link_device import device, end_with_parent
from benchmarks.link_faults import free_port
from cloud_bridge.engine import event_loop
from cloud_bridge.ingest import grpc as grpc_ingest
from cloud_bridge.ingest import mqtt as mqtt_ingest
from cloud_bridge.ingest.base import Device, Effect, Link
from cloud_bridge.ingest.call import Call
from cloud_bridge.ingest.sessions import Sessions
from edge.flight import ACK_S
from edge.wire import mien_pb2
from edge.wire.mqtt import Message, Mqtt


class Journal:
    """An application whose effect would show every repetition: it adds one to a number, and appends the envelope's name
    to a list that takes doubles. It also notes its own calls in a file, outside of any transaction."""

    def __init__(self, calls: Path) -> None:
        self._calls = calls.open("ab", buffering=0)

    async def connected(self, device: Device, link: Link) -> None:
        """Nothing to do."""

    async def received(self, device: Device, envelope: mien_pb2.Envelope) -> Effect:
        """Note the call; the effect happens in the record's transaction."""
        name = (f"{envelope.boot:016x}", envelope.seq, envelope.priority)
        self._calls.write("{} {} {}\n".format(*name).encode())

        def effect(db: sqlite3.Connection) -> None:
            db.execute("INSERT INTO journal VALUES (?, ?, ?)", name)
            db.execute("UPDATE total SET count = count + 1")

        return effect

    async def cancelled(self, device: Device, turn: int) -> None:
        """Nothing to do."""

    async def disconnected(self, device: Device) -> None:
        """Nothing to do."""


async def bridge(store: str, grpc_port: str, broker_port: str) -> None:
    """A bridge on gRPC, and joined to a broker where the port is not 0. Says `ready`."""
    with sqlite3.connect(store) as db:
        db.execute("CREATE TABLE IF NOT EXISTS journal (boot TEXT, seq INTEGER, priority INTEGER)")
        db.execute("CREATE TABLE IF NOT EXISTS total AS SELECT 0 AS count")
    sessions = Sessions(Journal(Path(f"{store}.calls")), Path(store))
    listening = await grpc_ingest.serve(sessions, f"127.0.0.1:{grpc_port}")
    if broker_port != "0":
        server = await mqtt_ingest.serve(sessions, mqtt_ingest.Broker(port=int(broker_port)))
        await asyncio.wait_for(server.joined.wait(), 30)
    print("ready", flush=True)
    await asyncio.Event().wait()  # until killed
    await listening.stop()


def both(store: str, outbox: str, *words: str) -> None:
    """`bridge` and `device` in one process, in a machine of their own. `words`: count, pause_s, seed, the `synchronous`
    that every store gets in place of FULL, and a fault of `_MISHAPS` with how often it comes; says `happened` then."""
    count, pause_s, seed, synchronous, fault, times = words

    class Weakened(sqlite3.Connection):
        def execute(self, sql: str, *more: Any) -> sqlite3.Cursor:
            return super().execute(sql.replace("synchronous=FULL", f"synchronous={synchronous}"), *more)

    sqlite3.connect = partial(sqlite3.connect, factory=Weakened)  # type: ignore[assignment]
    port = free_port()
    threading.Thread(target=lambda: asyncio.run(bridge(store, str(port), "0")), daemon=True).start()
    rng = random.Random(int(seed))  # noqa: S311
    offset_s = time.time() - time.monotonic()
    spots = set[int]()
    while len(spots) < int(times):
        spots.add(rng.randrange(int(count)))

    def happen(left: int) -> None:
        if left in spots:
            _MISHAPS[fault](rng, offset_s)
            print("happened", flush=True)

    device(outbox, f"grpc://127.0.0.1:{port}", count, pause_s, seed, at=happen, ack_s=ACK_S)


def _clock_jump(rng: random.Random, offset_s: float) -> None:
    """The wall clock is set a year ahead, a year back or right."""
    year_s = rng.choice((365, -365, 0)) * 86_400
    time.clock_settime(time.CLOCK_REALTIME, time.monotonic() + offset_s + year_s)


def _lossy_net(rng: random.Random, offset_s: float) -> None:
    """Not a packet comes through for up to six seconds; then they are lost and late as before."""
    for loss_pct in (100, LOSS_PCT):
        subprocess.run(["tc", "qdisc", "change", *netem(loss_pct)], check=True, timeout=60.0)
        time.sleep(rng.random() * 6 if loss_pct == 100 else 0)


def netem(loss_pct: int) -> list[str]:
    """What `tc qdisc add` is told: every packet `DELAY_MS` later, so many per cent of them never."""
    return f"dev lo root netem delay {DELAY_MS}ms loss {loss_pct}% limit 100000".split()


_MISHAPS = {"clock_jump": _clock_jump, "lossy_net": _lossy_net}
LOSS_PCT, DELAY_MS = 30, 300


async def mqtt_echo(port: str) -> None:
    """Publishes what comes on `up/N` (N: the QoS) on `down/N`, from where the bridge's ingest takes it and with one
    correlation, as the bridge answers to a device. Asked on `up/when`, tells when each one since came."""
    mqtt = Mqtt("127.0.0.1", int(port), "echo")
    await mqtt.connect()
    await mqtt.subscribe("up/+", qos=2)
    back = {f"up/{qos}": (f"down/{qos}", qos) for qos in (0, 1, 2)}
    told = mqtt.told(correlation=b"the link")
    came_s: list[float] = []

    def answer(message: Message) -> None:
        if (to := back.get(message.topic)) is None:
            mqtt.send("down/when", struct.pack(f">{len(came_s)}d", *came_s), qos=1, told=mqtt.told())
            came_s.clear()
            return
        came_s.append(time.perf_counter())
        topic, qos = to
        mqtt.send(topic, message.payload, qos=qos, told=told)

    print("ready", flush=True)
    await mqtt.listen(answer)


async def grpc_echo() -> None:
    """Sends every packet back on a bidirectional stream of the bridge's own server. Says `ready PORT`."""

    async def echo(call: Call) -> None:
        call.admit()  # else it is hung up on after a while
        while (packet := await call.read()) is not None:
            call.write(packet)

    server = grpc_ingest.Server(Sessions(Journal(Path(os.devnull))), {"/bench/Echo": echo}, lambda: None)
    await server.listen("127.0.0.1:0", None)
    print(f"ready {server.port}", flush=True)
    await asyncio.Event().wait()  # until killed


if __name__ == "__main__":
    if sys.argv[1] != "both":
        threading.Thread(target=end_with_parent, daemon=True).start()
    roles: dict[str, Callable[..., Any]] = {
        "bridge": bridge,
        "both": both,
        "mqtt_echo": mqtt_echo,
        "grpc_echo": grpc_echo,
    }
    work = roles[sys.argv[1]](*sys.argv[2:])
    if work is not None:
        with asyncio.Runner(loop_factory=event_loop()) as runner:
            runner.run(work)
