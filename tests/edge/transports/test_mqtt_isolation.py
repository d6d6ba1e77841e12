"""The shipped Mosquitto configuration keeps devices apart: proved by what is delivered, not by what is granted."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edge.wire import topics
from edge.wire.mqtt import Mqtt, MqttError
from tests.sim.certificates import Authority, Leaf
from tests.sim.mosquitto import Mosquitto, free_port

SHIPPED = Path(__file__).parents[3] / "deploy" / "mosquitto"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "pki")


@pytest.fixture
async def broker(tmp_path: Path, authority: Authority) -> AsyncIterator[Mosquitto]:
    """The shipped configuration, with its paths and port replaced."""
    leaf = authority.leaf("broker")
    port = free_port()
    config = (SHIPPED / "mosquitto.conf").read_text()
    for shipped, here in {
        "/etc/mosquitto/acl": str(SHIPPED / "acl"),
        "/etc/mosquitto/certs/ca.pem": str(authority.ca),
        "/etc/mosquitto/certs/broker.pem": str(leaf.certificate),
        "/etc/mosquitto/certs/broker.key": str(leaf.key),
        "listener 8883": f"listener {port} 127.0.0.1",
    }.items():
        assert shipped in config
        config = config.replace(shipped, here)
    me = getpass.getuser()  # started as root it would become another user, who may not read a test's files
    broker = Mosquitto(tmp_path / "broker", f"user {me}\n{config}", port=port)
    yield broker
    broker.close()


def joined(broker: Mosquitto, authority: Authority, leaf: Leaf | None, client_id: str, username: str = "") -> Mqtt:
    context = ssl.create_default_context(cafile=authority.ca)
    if leaf is not None:
        context.load_cert_chain(leaf.certificate, leaf.key)
    return Mqtt("localhost", broker.port, client_id, username=username, tls=context, session_s=60)


async def nothing(client: Mqtt) -> None:
    """Nothing is delivered to `client` within half a second."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await client.receive()


@pytest.mark.parametrize("tenant", ["default", "acme"])
async def test_a_device_neither_reads_nor_writes_anothers_topics(
    broker: Mosquitto, authority: Authority, tenant: str
) -> None:
    """Whatever its tenant: dev-2 subscribes to dev-1's topics and to everything, and writes in its name, and in its own
    name in another tenant: nothing of it is delivered. Nor does dev-1 of another tenant get what is for this one."""
    one = joined(broker, authority, authority.leaf(f"{tenant}/dev-1"), "dev-1")
    leaf = authority.leaf(f"{tenant}/dev-2")
    two = joined(broker, authority, leaf, "dev-2")
    namesake = joined(broker, authority, authority.leaf("elsewhere/dev-1"), "dev-1")
    bridge = joined(broker, authority, authority.leaf("mien-bridge"), "mien-bridge")
    for client in (one, two, namesake, bridge):
        await client.connect()
    await bridge.subscribe(*topics.UPLINKS)
    await one.subscribe(topics.down(tenant, "dev-1"))
    for pattern in (topics.down(tenant, "dev-1"), "#", "mien/v1/+/+/down", "$SYS/#"):
        for stranger in (two, namesake):
            with contextlib.suppress(MqttError):  # refused outright is fine, too
                await stranger.subscribe(pattern)
    await bridge.publish(topics.down(tenant, "dev-1"), b"for dev-1", qos=1)
    assert (await one.receive()).payload == b"for dev-1"
    await nothing(two)
    await nothing(namesake)
    forged = [topic(tenant, "dev-1") for topic in (topics.down, topics.online, topics.state)]
    forged += [topics.up(tenant, "dev-1", "env"), topics.up("other-tenant", "dev-2", "env")]
    forged.append(topics.up("dev-2", "up", "env"))
    for topic in forged:
        await two.publish(topic, b"forged", qos=1)
        await asyncio.sleep(0.05)
        await two.close()  # Mosquitto 2.0 hangs up after a refusal: each attempt on a new connection
        two = joined(broker, authority, leaf, "dev-2")
        await two.connect()
    await nothing(bridge)
    await nothing(one)
    await two.publish(topics.up(tenant, "dev-2", "env"), b"own", qos=1)
    assert (await bridge.receive()).payload == b"own"
    for client in (one, two, namesake, bridge):
        await client.close()


async def test_a_device_cannot_take_over_anothers_session(broker: Mosquitto, authority: Authority) -> None:
    """dev-2 connects with dev-1's client id and user name: dev-1 stays connected, and what was queued for it while it
    was away goes to it alone."""
    leaf = authority.leaf("acme/dev-1")
    one = joined(broker, authority, leaf, "dev-1")
    await one.connect()
    await one.subscribe(topics.down("acme", "dev-1"))
    thief = joined(broker, authority, authority.leaf("acme/dev-2"), "acme/dev-1", username="acme/dev-1")
    await thief.connect()
    bridge = joined(broker, authority, authority.leaf("mien-bridge"), "mien-bridge")
    await bridge.connect()
    await bridge.publish(topics.down("acme", "dev-1"), b"private", qos=1)
    assert (await one.receive()).payload == b"private"
    await nothing(thief)
    one._end("gone without a word")
    await asyncio.sleep(0.1)
    queued = await bridge.publish(topics.down("acme", "dev-1"), b"queued", qos=1)
    assert queued is not None
    await queued
    thief_again = joined(broker, authority, authority.leaf("acme/dev-2"), "acme/dev-1", username="acme/dev-1")
    await thief_again.connect()
    await nothing(thief_again)
    back = joined(broker, authority, leaf, "dev-1")
    assert await back.connect()
    assert (await back.receive()).payload == b"queued"
    for client in (thief, thief_again, bridge, back):
        await client.close()


async def test_without_a_good_certificate_nobody_joins(broker: Mosquitto, authority: Authority, tmp_path: Path) -> None:
    """None, and a stranger's."""
    stranger = Authority(tmp_path / "other", "stranger")
    for leaf in (None, stranger.leaf("dev-1")):
        client = joined(broker, authority, leaf, "dev-1", username="dev-1")
        with pytest.raises(MqttError):
            async with asyncio.timeout(5):
                await client.connect()
        await client.close()
