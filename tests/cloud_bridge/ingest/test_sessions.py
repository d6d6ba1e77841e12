"""Sessions as the application sees them: one after another for a device, however it comes and goes."""

from __future__ import annotations

import asyncio

import pytest

from cloud_bridge.ingest.base import Device, Link
from cloud_bridge.ingest.session import ApplicationFailed, Session
from cloud_bridge.ingest.sessions import Sessions
from edge.wire import mien_pb2
from edge.wire.envelope import Sealer
from tests.sim.wait import soon

_SEALER = Sealer("car-7")


class App:
    """Takes as long as the test wants it to."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []
        self.goes_on = asyncio.Event()

    async def connected(self, device: Device, link: Link) -> None:
        self.calls.append(("connected", device.boot))

    async def received(self, device: Device, envelope: mien_pb2.Envelope) -> None:
        self.calls.append(("received", device.boot))
        await self.goes_on.wait()

    async def cancelled(self, device: Device, turn: int) -> None: ...

    async def disconnected(self, device: Device) -> None:
        self.calls.append(("disconnected", device.boot))
        await self.goes_on.wait()
        self.calls.append(("gone", device.boot))


class Wire:
    """A connection on which nothing happens."""

    batch_bytes = 0
    alive = True

    async def send(self, downlink: mien_pb2.Downlink) -> None: ...

    def post(self, downlink: mien_pb2.Downlink) -> None: ...

    def close(self, reason: str) -> None:
        self.alive = False


def hello(boot: int) -> mien_pb2.Hello:
    return mien_pb2.Hello(v=1, device="car-7", boot=boot)


def opening(sessions: Sessions, boot: int) -> asyncio.Task[Session]:
    return asyncio.create_task(sessions.open(hello(boot), "default", Wire()))


@pytest.mark.parametrize("given_up", [False, True])
async def test_a_device_that_came_anew_twice_has_one_session(given_up: bool) -> None:
    """While the application still takes leave of the one before: it hears of the new one once, and after that. So it
    is where the first of the two connections is gone meanwhile."""
    app = App()
    sessions = Sessions(app)
    await opening(sessions, 1)
    first, second = opening(sessions, 2), opening(sessions, 2)
    await soon(lambda: len(app.calls) == 2)
    if given_up:
        first.cancel()
        await asyncio.wait((first,))
    assert app.calls == [("connected", 1), ("disconnected", 1)]
    app.goes_on.set()
    session = await second
    assert given_up or await first is session
    assert app.calls == [("connected", 1), ("disconnected", 1), ("gone", 1), ("connected", 2)]
    assert len(sessions) == 1
    await sessions.close()
    assert len(sessions) == 0


async def test_a_device_that_is_back_late_waits_for_its_own_leave() -> None:
    """Its time was over while the application was busy with it: what ends is not taken for what begins."""
    app = App()
    sessions = Sessions(app, grace_s=0.0)
    wire = Wire()
    old = await sessions.open(hello(_SEALER.boot), "default", wire)
    envelope = _SEALER.turn("turn_end", 1, words="hello", ttl_s=0)
    taking = asyncio.create_task(old.take(mien_pb2.Uplink(envelope=envelope)))
    await soon(lambda: ("received", _SEALER.boot) in app.calls)
    old.cut(wire)
    await soon(lambda: old.ended)
    back = opening(sessions, _SEALER.boot)
    await asyncio.sleep(0)
    app.goes_on.set()
    assert await back is not old
    await taking
    names = [name for name, _ in app.calls]
    assert names == ["connected", "received", "disconnected", "gone", "connected"]
    await sessions.close()


async def test_a_device_is_not_welcomed_to_what_ended_while_it_came_back() -> None:
    """Nothing that it sent there would be taken or acknowledged, on a connection that nobody ends: it comes again."""

    class Listening(Wire):
        def __init__(self) -> None:
            self.told: list[mien_pb2.Downlink] = []

        async def send(self, downlink: mien_pb2.Downlink) -> None:
            self.told.append(downlink)

    class BrokenOff(App):
        async def cancelled(self, device: Device, turn: int) -> None:
            self.calls.append(("cancelled", device.boot))
            await self.goes_on.wait()

    app, wire = BrokenOff(), Listening()
    sessions = Sessions(app)
    session = await opening(sessions, 1)
    again = mien_pb2.Hello(v=1, device="car-7", boot=1, cancelled_turn=1)
    back = asyncio.create_task(sessions.open(again, "default", wire))
    await soon(lambda: ("cancelled", 1) in app.calls)
    anew = opening(sessions, 2)
    await soon(lambda: session.ended)
    app.goes_on.set()
    with pytest.raises(ApplicationFailed, match="come again"):
        await back
    assert wire.told == []
    assert (await anew).device.boot == 2
    await sessions.close()


async def test_an_application_that_takes_nobody_is_left_before_it_is_asked_again() -> None:
    """What it did of a device that it could not take is undone before that device comes again."""

    class Refusing(App):
        async def connected(self, device: Device, link: Link) -> None:
            await super().connected(device, link)
            if len(self.calls) == 1:
                raise LookupError

    app = Refusing()
    sessions = Sessions(app)
    first = opening(sessions, 2)
    await soon(lambda: len(app.calls) == 2)
    second = opening(sessions, 2)
    await asyncio.sleep(0)
    app.goes_on.set()
    with pytest.raises(Exception, match="come again"):
        await first
    await second
    assert [name for name, _ in app.calls] == ["connected", "disconnected", "gone", "connected"]
    assert len(sessions) == 1
    await sessions.close()
