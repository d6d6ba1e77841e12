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
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import link_floor
from benchmarks.link_cores import POSSIBLE, Awake, OneCore
from benchmarks.link_device import sample
from benchmarks.link_faults import Mosquitto, free_port, open_config
from benchmarks.link_speed import peer, quantiles, ready
from edge.wire.envelope import Sealer
from edge.wire.mqtt import Message, Mqtt

_OTHERWISE = ("_awake", "_one_core")  # how the cores may be beside as they are
_BLOCK = 100  # round trips of one way before the next one's turn

Way = Callable[[], Awaitable[tuple[float, float | None]]]
"""One round trip: when its sender had the answer; and when the other end had the message, where it tells."""


def latency(folder: Path, rounds: int) -> dict[str, float]:
    """Of `rounds` round trips each: `*_p50_ms` and `*_p95_ms` on the machine as it is, `*_awake_p50_ms` with its cores
    kept awake, `*_one_core_p50_ms` with all processes on one; `*_one_way_*`: until the other end's handler has the
    message. Raises ToolAbsent."""
    with contextlib.closing(Awake()) if POSSIBLE else contextlib.nullcontext() as awake:
        return asyncio.run(_latency(folder, rounds, awake))


async def _latency(folder: Path, rounds: int, awake: Awake | None) -> dict[str, float]:
    waits: defaultdict[str, list[float]] = defaultdict(list)
    states: dict[str, contextlib.AbstractContextManager[Any]] = {"": contextlib.nullcontext()}
    if awake is not None:
        states |= dict(zip(_OTHERWISE, (awake, OneCore()), strict=True))
    async with _ways(folder) as ways:
        for _ in range(max(1, rounds // _BLOCK)):
            for state, held in states.items():
                with held:
                    for name, way in ways.items():
                        await _block(way, min(_BLOCK, rounds), waits, name, state)
    found: dict[str, float] = {}
    for name, waits_s in waits.items():
        if name.endswith(_OTHERWISE):
            found[f"{name}_p50_ms"] = statistics.median(waits_s) * 1e3
        else:
            found |= quantiles(name, waits_s)
    return found


async def _block(way: Way, rounds: int, waits: dict[str, list[float]], name: str, state: str) -> None:
    for _ in range(rounds):
        began_s = time.perf_counter()
        came_s, there_s = await way()
        waits[f"{name}{state}"].append(came_s - began_s)
        if there_s is not None:
            waits[f"{name}_one_way{state}"].append(there_s - began_s)


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
        stack.enter_context(_other("mqtt_echo", port))
        grpc_port = stack.enter_context(_other("grpc_echo"))[0]
        mqtt = Mqtt("127.0.0.1", port, "pinger")
        await mqtt.connect()
        try:
            await mqtt.subscribe("down/+", qos=2)
            async with _grpc(grpc_port, payload) as grpc_way, _mqtt(mqtt, payload) as mqtt_ways:
                ways: dict[str, Way] = {name: _at_once(floor) for name, floor in floors.items()}
                gc.collect()
                yield ways | mqtt_ways | {"grpc": grpc_way}
        finally:
            await mqtt.close()


def _at_once(floor: Callable[[], None]) -> Way:
    async def way() -> tuple[float, None]:
        floor()
        return time.perf_counter(), None

    return way


@contextlib.asynccontextmanager
async def _mqtt(mqtt: Mqtt, payload: bytes) -> AsyncIterator[dict[str, Way]]:
    """Device → broker → other end → broker → device, from its `publish` until its taker is called: of each QoS."""
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[tuple[float, float]] = loop.create_future()

    def take(message: Message) -> None:
        answered.set_result((time.perf_counter(), struct.unpack(">d", message.correlation)[0]))

    async def way(topic: str, qos: int) -> tuple[float, float]:
        nonlocal answered
        answered = loop.create_future()
        await mqtt.publish(topic, payload, qos=qos)
        return await answered

    listening = asyncio.create_task(mqtt.listen(take))
    await asyncio.sleep(0)
    yield {f"mqtt_qos{qos}": partial(way, f"up/{qos}", qos) for qos in (0, 1, 2)}
    listening.cancel()


@contextlib.asynccontextmanager
async def _grpc(port: str, payload: bytes) -> AsyncIterator[Way]:
    """Device → other end → device on one bidirectional stream."""
    import grpc  # as the device has it: `edge.transports` told it how to wait

    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.stream_stream("/bench/Echo")()

        async def way() -> tuple[float, None]:
            await call.write(payload)
            await call.read()
            return time.perf_counter(), None

        yield way
        call.cancel()


@contextlib.contextmanager
def _other(role: str, *args: object) -> Iterator[list[str]]:
    """A process of the benchmark that answers; what it says when it is ready."""
    process: subprocess.Popen[str] = peer(role, *args)
    try:
        yield ready(process)
    finally:
        process.kill()
        process.communicate()


def surroundings() -> dict[str, float]:
    """How quiet the machine is: cores that we may use, and the mean number of running processes of the last minute."""
    return {"cores": len(os.sched_getaffinity(0)), "load_1_min": round(os.getloadavg()[0], 2)}
