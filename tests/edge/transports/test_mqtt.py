"""The MQTT transport and ingest, over a real Mosquitto that is restarted, killed and left."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jinja2.sandbox import SandboxedEnvironment

from benchmarks.link_faults import Loop
from cloud_bridge.ingest import mqtt as ingest
from cloud_bridge.ingest.sessions import Sessions
from edge.errors import TransportError, WireError
from edge.plugin import Uri
from edge.transports import mqtt as transport
from edge.types import Affect, PersonState
from edge.wire import mien_pb2, topics
from edge.wire.envelope import Sealer
from edge.wire.json_form import from_json
from edge.wire.mqtt import Mqtt, MqttError
from tests.edge.test_uplink import Device
from tests.sim.bridge import App, say
from tests.sim.chaos import Chaos
from tests.sim.links import next_from
from tests.sim.mosquitto import Mosquitto, free_port, open_config
from tests.sim.wait import soon, until


class MqttBridge:
    """The MQTT ingest joined to the broker at `port`."""

    def __init__(self, port: int, store: Path, tokens: dict[str, str] | None = None) -> None:
        self.app = App()
        self._port, self._store, self._tokens = port, store, tokens
        self._loop = Loop()
        self.start()

    def start(self) -> None:
        self._loop.run(self._start())

    def stop(self) -> None:
        self._loop.run(self._stop())

    def close(self) -> None:
        self.stop()
        self._loop.close()

    def run(self, work: Any) -> Any:
        return self._loop.run(work)

    async def _start(self) -> None:
        self.sessions = Sessions(self.app, self._store, grace_s=10.0)
        self.server = await ingest.serve(self.sessions, ingest.Broker(port=self._port), tokens=self._tokens)

    async def _stop(self) -> None:
        await self.server.stop()
        await self.sessions.close()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    broker = Mosquitto(tmp_path / "broker")
    yield broker
    broker.close()


@pytest.fixture
def bridge(tmp_path: Path, broker: Mosquitto) -> Iterator[MqttBridge]:
    bridge = MqttBridge(broker.port, tmp_path / "seen.sqlite")
    yield bridge
    bridge.close()


@pytest.fixture
def device(tmp_path: Path, broker: Mosquitto) -> Iterator[Device]:
    device = Device(tmp_path, f"mqtt://127.0.0.1:{broker.port}")
    yield device
    device.close()


def test_envelopes_go_and_replies_come(bridge: MqttBridge, device: Device) -> None:
    """The whole conversation: envelopes of all priorities, acknowledged; reply chunks in order; cancel; goodbye."""
    bridge.app.answer = say(*(f"chunk {i}" for i in range(30)))
    sent = [device.sealer.health(rss_mb=1), device.turn(), device.sealer.health(rss_mb=2)]
    for envelope in sent:
        device.outbox.put(envelope)
    until(lambda: not len(device.outbox) and len(device.shown) == 30)
    assert sorted(bridge.app.seqs) == [1, 2, 3]
    assert device.shown == [f"chunk {i}" for i in range(30)]
    device.uplink.cancel(1)
    until(lambda: "cancelled 1" in bridge.app.told)
    device.outbox.offer(device.sealer.goodbye())
    device.uplink.stop(5.0)
    until(lambda: "disconnected dev-1" in bridge.app.told)


def test_broker_and_bridge_may_come_later(tmp_path: Path) -> None:
    """Whatever starts first: as soon as all are there, it works."""
    port = free_port()
    device = Device(tmp_path, f"mqtt://127.0.0.1:{port}")
    device.outbox.put(device.turn())
    bridge = MqttBridge(port, tmp_path / "seen.sqlite")
    until(lambda: device.uplink.counts["failures"] > 1)
    assert "127.0.0.1" in device.uplink.state.reason
    broker = Mosquitto(tmp_path / "broker", port=port)
    until(lambda: not len(device.outbox), 30)
    assert bridge.app.seqs == [1]
    device.close()
    bridge.close()
    broker.close()


@pytest.mark.parametrize("seed", [1])
def test_kills_of_the_broker_lose_and_double_nothing(
    broker: Mosquitto, bridge: MqttBridge, device: Device, seed: int
) -> None:
    """kill -9 of the broker and restarts of the bridge at random moments; the bridge's acknowledgement counts, not
    the broker's."""
    rng = random.Random(seed)
    done = threading.Event()

    def trouble() -> None:
        for round_ in range(4):
            time.sleep(rng.uniform(0.3, 0.8))
            if round_ % 2:
                bridge.stop()
                bridge.start()
            else:
                broker.kill()
                broker.start()
        done.set()

    thread = threading.Thread(target=trouble)
    thread.start()
    put = 0
    while not done.is_set():
        device.outbox.put(device.turn())
        put += 1
        time.sleep(rng.uniform(0.0, 0.02))
    thread.join()
    until(lambda: not len(device.outbox), 60)
    assert bridge.app.seqs == list(range(1, put + 1))


def test_gaps_of_a_broker_that_drops_are_mended_in_order(tmp_path: Path) -> None:
    """A broker that throws away what it cannot queue (here: all but one): nothing is lost, the order is kept."""
    port = free_port()
    stingy = open_config(port, "max_inflight_messages 1", "max_queued_messages 2")
    broker = Mosquitto(tmp_path / "b", stingy, port=port)
    bridge = MqttBridge(broker.port, tmp_path / "seen.sqlite")
    device = Device(tmp_path, f"mqtt://127.0.0.1:{broker.port}")
    for _ in range(60):
        device.outbox.offer(device.turn())
    until(lambda: not len(device.outbox), 60)
    assert bridge.app.seqs == list(range(1, 61))
    device.close()
    bridge.close()
    broker.close()


def test_fall_over_between_grpc_and_mqtt_doubles_nothing(tmp_path: Path, broker: Mosquitto) -> None:
    """One bridge on both: what was taken by the one is known to the other."""
    from cloud_bridge.ingest import grpc

    bridge = MqttBridge(broker.port, tmp_path / "seen.sqlite")
    server = bridge.run(grpc.serve(bridge.sessions, "127.0.0.1:0"))
    chaos = Chaos(server.port)
    device = Device(tmp_path, f"grpc://127.0.0.1:{chaos.port}", f"mqtt://127.0.0.1:{broker.port}")
    for number in range(120):
        device.outbox.put(device.turn())
        if number == 60:
            chaos.refusing = True
            chaos.cut()
    until(lambda: not len(device.outbox), 40)
    assert device.uplink.state.uri.startswith("mqtt")
    assert bridge.app.seqs == list(range(1, 121))
    assert bridge.app.told == ["connected dev-1"]
    device.close()
    bridge.run(server.stop(0))
    bridge.close()
    chaos.close()


async def test_why_it_does_not_connect_is_told(tmp_path: Path, broker: Mosquitto) -> None:
    """No broker; a broker without a bridge; a bridge that refuses the token; never a password in the message."""
    hello = Sealer("dev-1").hello("test", "wrong")
    with pytest.raises(TransportError, match="cannot be reached"):
        await transport.connect(Uri.parse(f"mqtt://me:secret@127.0.0.1:{free_port()}"), hello, tls=None)
    uri = Uri.parse(f"mqtt://127.0.0.1:{broker.port}")
    transport_s, transport.CONNECT_S = transport.CONNECT_S, 2.5
    try:
        with pytest.raises(TransportError, match="no bridge"):
            await transport.connect(uri, hello, tls=None)
    finally:
        transport.CONNECT_S = transport_s
    bridge = await asyncio.to_thread(MqttBridge, broker.port, tmp_path / "seen.sqlite", {"dev-1": "right"})
    with pytest.raises(TransportError, match="refuses this device: the token"):
        await transport.connect(uri, hello, tls=None)
    await asyncio.to_thread(bridge.close)


async def test_hostile_packets_reach_nobody(broker: Mosquitto, bridge: MqttBridge) -> None:
    """Random bytes, another's name in the hello, packets without a hello, odd topics: counted, and the next device is
    served."""
    rng = random.Random(4)
    mallory = Mqtt("127.0.0.1", broker.port, "mallory")
    await mallory.connect()
    await soon(bridge.server.joined.is_set)
    for _ in range(50):
        body = rng.choice(["hello", "env", "x"])
        await mallory.publish(topics.up("default", "mallory", body), rng.randbytes(rng.randrange(4_000)), qos=1)
    await mallory.publish("mien/v1/default/a b/up/env", b"", qos=1)
    for uplink in (
        mien_pb2.Uplink(hello=Sealer("dev-1").hello("x")),
        mien_pb2.Uplink(envelope=Sealer("mallory").goodbye()),
    ):
        last = await mallory.publish(topics.up("default", "mallory", "env"), uplink.SerializeToString(), qos=1)
    assert last is not None
    await last
    link = await transport.connect(Uri.parse(f"mqtt://127.0.0.1:{broker.port}"), Sealer("dev-1").hello("x"), tls=None)
    counts = bridge.sessions.counts
    assert counts["malformed"] >= 40
    assert counts["rejected"] == 1
    assert bridge.app.told == ["connected dev-1"]
    assert bridge.app.got == []
    await link.close()
    await mallory.close()


async def test_a_broker_that_fell_silent_is_found_out(broker: Mosquitto) -> None:
    """A quiet connection is kept up by questions, also where only one side speaks; it ends when none is answered."""
    chaos = Chaos(broker.port, seed=1)
    one = Mqtt("127.0.0.1", chaos.port, "one", keepalive_s=2)
    try:
        await one.connect()
        listening = asyncio.create_task(one.listen(lambda message: None))
        for number in range(10):
            if number < 5:
                await one.publish("nobody/listens", b"1", qos=0)
            await asyncio.sleep(0.5)
        assert not listening.done()
        chaos.stalled = True
        with pytest.raises(MqttError, match="keep alive timeout"):
            async with asyncio.timeout(20):
                await listening
    finally:
        chaos.stalled = False
        await one.close()
        chaos.close()


async def test_the_last_state_is_left_for_integrators_only_when_asked(broker: Mosquitto, bridge: MqttBridge) -> None:
    """Retained JSON under `state` with ?retain=state; presence under `online`."""
    reader = Mqtt("127.0.0.1", broker.port, "reader")
    await reader.connect()
    sealer = Sealer("dev-1")
    state = sealer.state(PersonState(person=1, t_s=0.0, turn=0, speaking=True))
    for query in ("", "?retain=state"):
        uri = Uri.parse(f"mqtt://127.0.0.1:{broker.port}{query}")
        link = await transport.connect(uri, sealer.hello("x"), tls=None)
        await link.send(mien_pb2.Uplink(envelope=state))
        await next_from(link)
        await link.close()
    await reader.subscribe("mien/v1/default/+/state", "mien/v1/default/+/online")
    found: dict[str, bytes] = {}
    async with asyncio.timeout(10):
        while found.get("online") != b"0" or "state" not in found:
            message = await reader.receive()
            found[message.topic.rsplit("/", 1)[1]] = message.payload
    assert from_json(found["state"]) == state
    await reader.close()


async def test_home_assistant_shows_the_device_only_when_asked(broker: Mosquitto, bridge: MqttBridge) -> None:
    """Nothing without ?homeassistant=1. With it one retained message that stays, whose topics are those that the device
    really writes, and whose templates, as Home Assistant renders them, read the retained state."""
    reader = Mqtt("127.0.0.1", broker.port, "reader")
    await reader.connect()
    await reader.subscribe("homeassistant/#")
    sealer = Sealer("car-7")
    joy = Affect(
        probs={"neutral": 0.1, "happy": 0.8, "sad": 0.1}, label="happy", valence=0.0, arousal=-0.3, confidence=0.7,
        unclear=False, age_ms=40, derived=False,
    )  # fmt: skip
    state = sealer.state(PersonState(person=1, t_s=0.0, turn=0, speaking=False, fused=joy))
    for query in ("", "?homeassistant=1"):
        link = await transport.connect(Uri.parse(f"mqtt://127.0.0.1:{broker.port}{query}"), sealer.hello("x"), tls=None)
        await link.send(mien_pb2.Uplink(envelope=state))
        await next_from(link)
        await link.close()
        if not query:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await reader.receive()
    late = Mqtt("127.0.0.1", broker.port, "late")
    await late.connect()
    await late.subscribe("homeassistant/#")
    async with asyncio.timeout(10):
        message = await late.receive()
    assert message.retained
    assert message.topic == "homeassistant/device/default/car-7/config"
    config = json.loads(message.payload)
    await late.subscribe(config["state_topic"], config["availability"][0]["topic"])
    found: dict[str, bytes] = {}
    async with asyncio.timeout(10):
        while len(found) < 2:
            message = await late.receive()
            found[message.topic] = message.payload
    assert found[config["availability"][0]["topic"]].decode() == config["payload_not_available"]
    told = json.loads(found[config["state_topic"]])
    environment = SandboxedEnvironment()

    def rendered(value_json: object) -> dict[str, str]:
        parts = config["components"].items()
        return {name: environment.from_string(p["value_template"]).render(value_json=value_json) for name, p in parts}

    shown = rendered(told)
    assert (shown["mood"], shown["valence"], shown["arousal"], shown["speaking"]) == ("happy", "0", "-30", "OFF")
    assert (shown["looks"], shown["tiredness"], shown["description"]) == ("", "", "")
    assert set(rendered({}).values()) == {""}
    tired = {"state": {"drowsiness": {"level": "ALERT_"}, "attention": {"on_target": True}}}
    assert (rendered(tired)["tiredness"], rendered(tired)["looks"]) == ("alert", "ON")
    for client in (late, reader):
        await client.close()


def test_a_device_in_plain_c_is_served(tmp_path: Path, broker: Mosquitto, bridge: MqttBridge) -> None:
    """`docs/examples/link_client.c`, written from the wire's page alone, without a library and by MQTT 3.1.1: its turn
    arrives and is acknowledged."""
    source = Path(__file__).parents[3] / "docs" / "examples" / "link_client.c"
    program = tmp_path / "link_client"
    subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", "-O1", "-o", program, source], check=True)
    words = [program, "127.0.0.1", str(broker.port), "car-7", "What a day."]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.split() == ["welcome", "acknowledged"]
    (envelope,) = bridge.app.got
    assert (envelope.device, envelope.words, envelope.kind) == ("car-7", "What a day.", mien_pb2.TURN_END)


def test_topics_are_parsed_strictly() -> None:
    """What a bridge subscribes to, and nothing else."""
    assert topics.parse_up("mien/v1/acme/car-7/up/env") == ("acme", "car-7", "env")
    assert topics.parse_up("mien/v1/acme/car-7/online") == ("acme", "car-7", "online")
    for bad in ("mien/v1/acme/car-7/down", "mien/v2/a/b/up/env", "mien/v1/a/b/up/env/x", "mien/v1//b/up/env", "", "a"):
        with pytest.raises(WireError):
            topics.parse_up(bad)
