"""What the link does over brokers of other makers: one ordeal over each, and which features of MQTT it finds there."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from benchmarks.link_faults import ToolAbsent, free_port
from benchmarks.link_ordeal import Ordeal, start_broker
from edge.wire.mqtt import Mqtt, MqttError, Will, unheard

BROKERS = ("mosquitto", "iotcore", "nats")
_WAIT_S = 3.0


def run(folder: Path, envelopes: int, faults: int) -> dict[str, Any]:
    """Broker → outcome of the ordeal and features; the reason where one is not here."""
    found: dict[str, Any] = {}
    for name in BROKERS:
        try:
            features = asyncio.run(probe(name, folder / f"{name}-probe"))
            ordeal = Ordeal("broker_restart", folder / name, envelopes, faults, seed=3, broker=name)
            found[name] = {"features": features, **ordeal.run()}
        except ToolAbsent as error:
            found[name] = str(error)
    return found


async def probe(name: str, folder: Path) -> dict[str, Any]:
    """The features that the link uses where it finds them, each seen to work; `version` is what was agreed on."""
    port = free_port()
    broker = start_broker(name, folder, port)
    try:
        ear = Mqtt("127.0.0.1", port, "ear", session_s=60)
        await ear.connect()
        await ear.subscribe("t/#")
        found: dict[str, Any] = {"version": {5: "5", 4: "3.1.1"}[ear.version]}
        mouth = Mqtt("127.0.0.1", port, "mouth", will=Will("t/will", b"gone", 1))
        await mouth.connect()
        found["topic_alias"] = mouth.topic_aliases > 0
        await mouth.publish("t/kept", b"1", qos=1, retain=True, correlation=b"12345678")
        first = await _next(ear)
        found["correlation_data"] = first is not None and first.correlation == b"12345678"
        heard = await mouth.publish("nobody/listens", b"1", qos=1)
        found["tells_that_nobody_listens"] = heard is not None and unheard(await heard)
        late = Mqtt("127.0.0.1", port, "late")
        await late.connect()
        await late.subscribe("t/kept")
        kept = await _next(late)
        found["retained"] = kept is not None and kept.retained
        began_s = asyncio.get_running_loop().time()
        mouth._end("gone without a word")
        will = await _next(ear)
        found["will"] = will is not None and will.payload == b"gone"
        found["will_delay"] = found["will"] and asyncio.get_running_loop().time() - began_s > 0.8
        ear._end("gone without a word")
        await asyncio.sleep(0.2)
        await late.publish("t/short", b"1", qos=1, expiry_s=1)
        await late.publish("t/long", b"1", qos=1, expiry_s=60)
        await asyncio.sleep(2.5)
        back = Mqtt("127.0.0.1", port, "ear", session_s=60)
        found["session_kept"] = await back.connect()
        await back.subscribe("t/#")
        topics = set()
        while (message := await _next(back)) is not None:
            topics.add(message.topic)
        found["queues_while_away"] = "t/long" in topics
        found["message_expiry"] = found["queues_while_away"] and "t/short" not in topics
        for one in (back, late):
            await one.close()
        return found
    finally:
        broker.close()


async def _next(client: Mqtt) -> Any:
    try:
        async with asyncio.timeout(_WAIT_S):
            return await client.receive()
    except (TimeoutError, MqttError):
        return None
