"""Presence keeps the newest of each device, tells followers, and lets orders through, never across tenants."""

from __future__ import annotations

import asyncio

import pytest

from cloud_bridge import presence as module
from cloud_bridge.ingest.base import Device
from cloud_bridge.presence import NotThere, Presence
from cloud_bridge.seen import Done, Moment
from edge.wire import mien_pb2
from tests.sim.bridge import App, Wire

CAR = Device("car-7", 5)
OTHERS = Device("car-7", 6, tenant="others")


class Obeying(Wire):
    """`obeys`: what the device tells when it answers an order; None: it does not."""

    def __init__(self, presence: Presence, device: Device, *, obeys: dict[str, str] | None = None) -> None:
        super().__init__()
        self.presence, self.device, self.obeys = presence, device, obeys

    async def command(self, command: mien_pb2.Command) -> None:
        await super().command(command)
        if self.obeys is not None:
            event = mien_pb2.Event(name="order", arguments={"id": str(command.id), **self.obeys})
            await self.presence.received(self.device, envelope(mien_pb2.EVENT, events=[event]))


def envelope(kind: mien_pb2.Kind, **fields: object) -> mien_pb2.Envelope:
    return mien_pb2.Envelope(v=1, device="car-7", boot=5, seq=1, kind=kind, **fields)


def state(valence: int) -> mien_pb2.State:
    return mien_pb2.State(person=1, fused=mien_pb2.Affect(probs_pct=[90], valence=valence))


async def joined(**kwargs: object) -> tuple[Presence, App, Obeying]:
    app = App()
    presence = Presence(app)
    wire = Obeying(presence, CAR, **kwargs)  # type: ignore[arg-type]
    await presence.connected(CAR, wire)
    return presence, app, wire


async def test_every_call_reaches_the_application() -> None:
    """Presence only listens in."""
    presence, app, _ = await joined()
    effect = await presence.received(CAR, envelope(mien_pb2.STATE, state=state(10)))
    await presence.cancelled(CAR, 3)
    await presence.disconnected(CAR)
    assert effect is not None
    assert app.told == ["connected car-7", "cancelled 3", "disconnected car-7"]


async def test_the_newest_is_kept_and_what_is_unknown_is_none() -> None:
    """None is not zero."""
    presence, app, wire = await joined()
    assert presence.get("default", "car-7").full()["state"] is None
    await presence.received(CAR, envelope(mien_pb2.STATE, state=state(10)))
    await presence.received(CAR, envelope(mien_pb2.STATE, state=state(-40)))
    await app.links["car-7"].send(mien_pb2.Reply(turn=1, text=mien_pb2.Text(text="I see.", tone="sad")))
    await app.links["car-7"].send(mien_pb2.Reply(turn=1, chunk=2, text=mien_pb2.Text(text="Tell me.", tone="sad")))
    full = presence.get("default", "car-7").full()
    assert full["state"]["fused"]["valence"] == -40
    assert full["reply"] == "I see. Tell me."
    assert full["health"] is None
    assert full["muted"] is None
    assert [reply.text.text for reply in wire.sent] == ["I see.", "Tell me."]


async def test_tenants_do_not_see_each_other() -> None:
    """The same device name of another tenant is another device."""
    presence, _, _ = await joined()
    assert presence.devices("others") == []
    with pytest.raises(NotThere):
        presence.get("others", "car-7")
    with presence.follow("others") as following:
        await presence.received(CAR, envelope(mien_pb2.STATE, state=state(10)))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(following.next(), 0.01)
        presence.note(OTHERS, "online", {})
        assert (await following.next()).kind == "online"
    with pytest.raises(NotThere):
        await presence.order("nobody", "car-7", mien_pb2.Command(mute=True), by="test")


async def test_a_slow_follower_loses_the_oldest_and_it_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A follower that does not read cannot fill the memory."""
    monkeypatch.setattr(module, "_WAITING", 3)
    presence, _, _ = await joined()
    with presence.follow("default", "car-7") as following:
        for turn in range(5):
            presence.note(CAR, "cancelled", {"turn": turn})
        assert (await following.next()).body == {"turn": 2}
        assert following.dropped == 2
    assert presence.counts["moments_dropped"] == 2


async def test_devices_that_went_are_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of devices that are remembered is bounded; who is online stays."""
    monkeypatch.setattr(module, "MOST_DEVICES", 2)
    presence, _, _ = await joined()
    presence.note(Device("gone", 1), "offline", {})
    presence.note(Device("new", 1), "online", {})
    assert [seen.device.id for seen in presence.devices("default")] == ["car-7", "new"]


async def test_an_order_is_done_when_the_device_says_so() -> None:
    """What the device tells is what is told on: done, refused and why, or no answer."""
    presence, _, wire = await joined(obeys={"done": "true", "muted": "true"})
    assert await presence.order("default", "car-7", mien_pb2.Command(mute=True), by="anna") == Done(True)
    assert wire.commands[0].mute is True
    assert presence.get("default", "car-7").muted is True
    wire.obeys = {"done": "false", "reason": "perception stays off"}
    assert await presence.order("default", "car-7", mien_pb2.Command(mute=False), by="anna") == Done(
        False, "perception stays off"
    )
    ordered = [moment.facts() for moment in presence.get("default", "car-7").recent if moment.kind == "ordered"]
    assert [(one["by"], one["done"]) for one in ordered] == [("anna", True), ("anna", False)]


async def test_a_device_that_does_not_answer_is_not_said_to_have_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An older device ignores what it does not know."""
    monkeypatch.setattr(module, "_ORDER_S", 0.01)
    presence, _, _ = await joined()
    assert (await presence.order("default", "car-7", mien_pb2.Command(mute=True), by="anna")).done is None
    await presence.disconnected(CAR)
    with pytest.raises(NotThere, match="not connected"):
        await presence.order("default", "car-7", mien_pb2.Command(mute=True), by="anna")


async def test_what_is_forgotten_is_gone() -> None:
    """Erasure leaves presence alone."""
    presence, _, _ = await joined()
    await presence.received(CAR, envelope(mien_pb2.TURN_END, words="my secret", state=state(5)))
    presence.forget("default", "car-7")
    seen = presence.get("default", "car-7")
    assert (seen.full()["words"], seen.full()["state"], list(seen.recent)) == (None, None, [])
    assert seen.link is not None


def test_a_moment_reads_as_json() -> None:
    """Names as on the wire."""
    said = envelope(mien_pb2.TURN_END, turn=3, words="hello", state=state(5))
    facts = Moment("default", "car-7", "turn_end", 10.0, said.SerializeToString()).facts()
    assert facts["turn"] == 3
    assert facts["words"] == "hello"
    assert facts["state"]["fused"]["probs_pct"] == [90]


async def test_no_other_device_answers_an_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """The numbers can be guessed: one of another tenant must not say that this one's microphone is closed."""
    monkeypatch.setattr(module, "_ORDER_S", 0.05)
    presence, _, wire = await joined()
    ordering = asyncio.create_task(presence.order("default", "car-7", mien_pb2.Command(mute=True), by="anna"))
    await asyncio.sleep(0)
    told = {"id": str(wire.commands[0].id), "done": "true", "muted": "true"}
    for other in (OTHERS, Device("car-8", 5)):
        presence.note(other, "event", envelope(mien_pb2.EVENT, events=[mien_pb2.Event(name="order", arguments=told)]))
    assert (await ordering).done is None
    assert presence.get("default", "car-7").muted is None
