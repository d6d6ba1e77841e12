"""Several bridges at one broker: each device is served by one of them, and by another when that one dies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.link_faults import Loop
from cloud_bridge.fleet.claims import Claims
from cloud_bridge.fleet.record import SharedRecord
from cloud_bridge.fleet.store import Store
from cloud_bridge.ingest import mqtt as ingest
from cloud_bridge.ingest.base import Device, NotNow
from cloud_bridge.ingest.sessions import Sessions
from edge.outbox import Outbox
from edge.uplink import Uplink
from edge.wire import mien_pb2
from edge.wire.backoff import Backoff
from edge.wire.envelope import Sealer
from tests.sim.bridge import App
from tests.sim.chaos import Chaos
from tests.sim.mosquitto import Mosquitto
from tests.sim.redis import Redis
from tests.sim.wait import until

DEVICES = 6


class Fleet(App):
    """An application that leaves no effects: a shared record has no place for them."""

    async def received(self, device: Device, envelope: mien_pb2.Envelope) -> None:  # type: ignore[override]
        self.got.append(envelope)

    def of(self, device: str) -> list[int]:
        return [one.seq for one in self.got if one.device == device]


class Member:
    """One bridge of a fleet, at the broker on `port`."""

    def __init__(self, name: str, port: int, redis: Redis) -> None:
        self.app, self._loop = Fleet(), Loop()
        self._store = Store(redis.url)
        self._record = SharedRecord(self._store)
        self._loop.run(self._start(name, port))

    async def _start(self, name: str, port: int) -> None:
        self.sessions = Sessions(self.app, grace_s=1.0, record=self._record)
        broker = ingest.Broker(port=port, name=name)
        self.server = await ingest.serve(self.sessions, broker, claims=Claims(self._store))
        await self.server.joined.wait()

    def close(self) -> None:
        """As a crash for the devices: nobody is told."""
        self._loop.run(self._close())
        self._loop.close()

    async def _close(self) -> None:
        await self.server.stop()
        await self.sessions.close()
        await self._store.soon.aclose()


class Sender:
    """One device."""

    def __init__(self, folder: Path, number: int, port: int) -> None:
        self.name = f"dev-{number}"
        self.sealer = Sealer(self.name)
        self.box = Outbox(folder / f"{self.name}.sqlite")
        self.uplink = Uplink(
            self.box,
            [f"mqtt://127.0.0.1:{port}"],
            self.sealer.hello("test"),
            on_reply=lambda reply: None,
            backoff=Backoff(0.05, 0.2),
            ack_s=3.0,
        )
        self.uplink.start()

    def put(self, count: int) -> None:
        for _ in range(count):
            self.box.put(self.sealer.turn("turn_end", 1, words="hello", ttl_s=0))

    def close(self) -> None:
        self.uplink.stop(0)
        self.box.close()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    (tmp_path / "redis").mkdir()
    running = Redis(tmp_path / "redis")
    yield running
    running.close()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    running = Mosquitto(tmp_path / "broker")
    yield running
    running.close()


def test_devices_share_the_bridges_and_outlive_one(tmp_path: Path, redis: Redis, broker: Mosquitto) -> None:
    """Both bridges serve some. When one goes while all send, its devices move: each envelope is taken once, in order,
    and what was taken before is known to the other."""
    one, two = Member("one", broker.port, redis), Member("two", broker.port, redis)
    devices = [Sender(tmp_path, number, broker.port) for number in range(DEVICES)]
    try:
        for device in devices:
            device.put(20)
        until(lambda: not any(len(device.box) for device in devices), 30)
        assert one.app.got
        assert two.app.got
        for device in devices:
            assert sorted((one.app.of(device.name), two.app.of(device.name))) == [[], list(range(1, 21))]
            device.put(5)
        one.close()
        for device in devices:
            device.put(20)
        until(lambda: not any(len(device.box) for device in devices), 40)
        for device in devices:
            first, second = one.app.of(device.name), two.app.of(device.name)
            assert first == sorted(set(first))
            assert second == sorted(set(second))
            assert sorted({*first, *second}) == list(range(1, 46))
            # Taken and not yet recorded when the bridge went: it may be taken again, as after any crash (ADR 6).
            assert len(set(first) & set(second)) <= 25
    finally:
        for device in devices:
            device.close()
        two.close()


def test_a_device_that_comes_back_moves_without_a_trace(tmp_path: Path, redis: Redis, broker: Mosquitto) -> None:
    """Cut off and back, again and again: wherever its hello goes, the bridge before lets go of it, and nothing is
    taken twice."""
    members = [Member(name, broker.port, redis) for name in ("one", "two", "three")]
    net = Chaos(broker.port)
    device = Sender(tmp_path, 1, net.port)
    connects = device.uplink.counts
    try:
        for number in range(8):
            until(lambda: connects["connects"] > number)  # noqa: B023
            device.put(3)
            until(lambda: not len(device.box))
            net.cut()
        until(lambda: connects["connects"] > 8)
        taken = [seq for member in members for seq in member.app.of("dev-1")]
        assert sorted(taken) == list(range(1, 25))
        assert sum(bool(member.app.got) for member in members) > 1
        until(lambda: sum(len(member.server._devices) for member in members) == 1)
    finally:
        device.close()
        net.close()
        for member in members:
            member.close()


async def test_one_hello_has_one_bridge(redis: Redis) -> None:
    """Said again, it may come to another bridge, which stays silent; while the store is away nobody answers."""
    store = Store(redis.url)
    first, second = Claims(store), Claims(store)
    assert await first.claim("acme/car-7", b"\x01")
    assert not await second.claim("acme/car-7", b"\x01")
    assert await second.claim("acme/car-7", b"\x02")
    assert await second.claim("acme/car-8", b"\x01")
    redis.stop()
    with pytest.raises(NotNow):
        await first.claim("acme/car-7", b"\x03")
    await store.soon.aclose()
