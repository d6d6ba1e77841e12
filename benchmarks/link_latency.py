"""Round trips on loopback, one at a time, of each transport and of the floor beneath it, in turn in one run; each with
the cores as they are ("idle": they halt between), kept awake, and on one core alone."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import statistics
import struct
import subprocess
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import link_floor
from benchmarks.link_cores import POSSIBLE, Awake, OneCore
from benchmarks.link_device import sample
from benchmarks.link_faults import Mosquitto, free_port, open_config
from benchmarks.link_speed import peer, quantiles, ready
from benchmarks.link_work import Work
from edge.wire.envelope import Sealer
from edge.wire.loop import event_loop
from edge.wire.mqtt import Message, Mqtt

_OTHERWISE = ("_awake", "_one_core")  # how the cores may be beside as they are
_BLOCK = 100  # round trips of one way before the next one's turn

Trip = Callable[[], Awaitable[float]]
"""One round trip: when its sender had the answer."""
When = Callable[[], Awaitable[Sequence[float]]]
"""When the other end had each message since it was asked last."""


class Way(NamedTuple):
    """How to make a round trip, and the process at the other end where what it works is counted, or it tells times."""

    trip: Trip
    other: int | None = None
    when: When | None = None


def latency(folder: Path, rounds: int) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Of `rounds` round trips each: `*_p50_ms` and `*_p95_ms` on the machine as it is, `*_awake_p50_ms` with its cores
    kept awake, `*_one_core_p50_ms` with all processes on one; `*_one_way_*`: until the other end's handler has the
    message. And what the ends of each way work for one (`Work.each`), as it is. Raises ToolAbsent."""
    with (
        contextlib.closing(Awake()) if POSSIBLE else contextlib.nullcontext() as awake,
        asyncio.Runner(loop_factory=event_loop) as runner,  # as the uplink has it
    ):
        return runner.run(_latency(folder, rounds, awake))


async def _latency(
    folder: Path, rounds: int, awake: Awake | None
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    work = Work()
    waits: defaultdict[str, list[float]] = defaultdict(list)
    states: dict[str, contextlib.AbstractContextManager[Any]] = {"": contextlib.nullcontext()}
    if awake is not None:
        states |= dict(zip(_OTHERWISE, (awake, OneCore()), strict=True))
    async with _ways(folder) as ways:
        for _ in range(max(1, rounds // _BLOCK)):
            for state, held in states.items():
                with held:
                    for name, way in ways.items():
                        trips = min(_BLOCK, rounds)
                        with contextlib.ExitStack() as counted:
                            if way.other is not None and not state:
                                counted.enter_context(work.of(name, trips, way.other))
                            began_s = await _block(way.trip, trips, waits[f"{name}{state}"])
                        if way.when is not None:
                            there_s = await way.when()
                            waits[f"{name}_one_way{state}"] += [
                                there - began for there, began in zip(there_s, began_s, strict=True)
                            ]
    found: dict[str, float] = {}
    for name, waits_s in waits.items():
        if name.endswith(_OTHERWISE):
            found[f"{name}_p50_ms"] = statistics.median(waits_s) * 1e3
        else:
            found |= quantiles(name, waits_s)
    return found, work.each()


async def _block(way: Trip, rounds: int, waits_s: list[float]) -> list[float]:
    """When each began."""
    began_s = []
    for _ in range(rounds):
        began_s.append(time.perf_counter())
        waits_s.append(await way() - began_s[-1])
    return began_s


@contextlib.asynccontextmanager
async def _ways(folder: Path) -> AsyncIterator[dict[str, Way]]:
    """Every way, its other end standing and asleep."""
    payload = sample(Sealer("bench")).SerializeToString()
    port = free_port()
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(contextlib.closing(Mosquitto(folder / "latency", open_config(port), port=port)))
        floors = {
            "tcp_floor": stack.enter_context(link_floor.tcp()),
            "mqtt_qos0_floor": stack.enter_context(link_floor.mqtt(broker.port)),
        }
        mqtt_other, _ = stack.enter_context(_other("mqtt_echo", port))
        grpc_other, (grpc_port,) = stack.enter_context(_other("grpc_echo"))
        mqtt = Mqtt("127.0.0.1", port, "pinger")
        await mqtt.connect()
        try:
            await mqtt.subscribe("down/+", qos=2)
            async with _grpc(grpc_port, payload) as grpc_trip, _mqtt(mqtt, payload) as mqtt_trips:
                ways = {name: Way(_at_once(floor)) for name, floor in floors.items()}
                trips, when = mqtt_trips
                ways |= {name: Way(trip, mqtt_other, when) for name, trip in trips.items()}
                gc.collect()
                yield ways | {"grpc": Way(grpc_trip, grpc_other)}
        finally:
            await mqtt.close()


def _at_once(floor: Callable[[], None]) -> Trip:
    async def way() -> float:
        floor()
        return time.perf_counter()

    return way


@contextlib.asynccontextmanager
async def _mqtt(mqtt: Mqtt, payload: bytes) -> AsyncIterator[tuple[dict[str, Trip], When]]:
    """Device → broker → other end → broker → device, from its `publish` until its taker is called: of each QoS."""
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[tuple[float, bytes]] = loop.create_future()

    def take(message: Message) -> None:
        answered.set_result((time.perf_counter(), message.payload))

    async def way(topic: str, qos: int) -> float:
        nonlocal answered
        answered = loop.create_future()
        await mqtt.publish(topic, payload, qos=qos)
        came_s, _ = await answered
        return came_s

    async def when() -> Sequence[float]:
        nonlocal answered
        answered = loop.create_future()
        await mqtt.publish("up/when", b"", qos=1)
        _, told = await answered
        return struct.unpack(f">{len(told) // 8}d", told)

    listening = asyncio.create_task(mqtt.listen(take))
    await asyncio.sleep(0)
    yield {f"mqtt_qos{qos}": partial(way, f"up/{qos}", qos) for qos in (0, 1, 2)}, when
    listening.cancel()


@contextlib.asynccontextmanager
async def _grpc(port: str, payload: bytes) -> AsyncIterator[Trip]:
    """Device → other end → device on one bidirectional stream."""
    import grpc  # as the device has it: `edge.transports` told it how to wait

    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.stream_stream("/bench/Echo")()

        async def way() -> float:
            await call.write(payload)
            await call.read()
            return time.perf_counter()

        yield way
        call.cancel()


@contextlib.contextmanager
def _other(role: str, *args: object) -> Iterator[tuple[int, list[str]]]:
    """A process of the benchmark that answers: its number, and what it says when it is ready."""
    process: subprocess.Popen[str] = peer(role, *args)
    try:
        yield process.pid, ready(process)
    finally:
        process.kill()
        process.communicate()


def surroundings() -> dict[str, float]:
    """How quiet the machine is: cores that we may use, and the mean number of running processes of the last minute."""
    return {"cores": len(os.sched_getaffinity(0)), "load_1_min": round(os.getloadavg()[0], 2)}
