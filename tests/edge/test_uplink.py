"""The uplink: over cuts, dead ends and restarts everything arrives once and in order, and replies come back."""

from __future__ import annotations

import asyncio
import random
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cloud_bridge.ingest.base import Device as Sent
from cloud_bridge.ingest.base import Effect
from edge.budget import Budget
from edge.errors import PluginError
from edge.outbox import Outbox
from edge.replies import Replies
from edge.transports import grpc
from edge.uplink import Uplink
from edge.wire import mien_pb2
from edge.wire.backoff import Backoff
from edge.wire.batch import batched
from edge.wire.envelope import Sealer
from tests.sim.bridge import Bridge, say
from tests.sim.chaos import Chaos
from tests.sim.wait import until


class Device:
    """Outbox and uplink of one device, quick to try again."""

    def __init__(
        self, folder: Path, *uris: str, ack_s: float = 2.0, token: str = "", bytes_per_hour: int | None = None
    ):
        self.sealer = Sealer("dev-1")
        self.outbox = Outbox(folder / "outbox.sqlite")
        self.shown: list[str] = []
        self.replies = Replies([self])
        self.commands: list[mien_pb2.Command] = []
        self.uplink = Uplink(
            self.outbox,
            uris,
            self.sealer.hello("test 1", token),
            on_reply=self.replies.accept,
            on_command=self.commands.append,
            ack_s=ack_s,
            backoff=Backoff(0.02, 0.1),
            bytes_per_hour=bytes_per_hour,
        )
        self.uplink.start()

    def turn(self, turn: int = 1) -> mien_pb2.Envelope:
        return self.sealer.turn("turn_end", turn, words="hello", ttl_s=0)

    def online(self) -> bool:
        return self.uplink.state.name == "online"

    def play(self, audio: bytes, sample_rate: int) -> None: ...

    def stop(self) -> None: ...

    def show(self, text: str, final: bool) -> None:
        if text:
            self.shown.append(text)

    def close(self) -> None:
        self.uplink.stop(0)
        self.outbox.close()


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Bridge]:
    bridge = Bridge(tmp_path / "seen.sqlite")
    yield bridge
    bridge.close()


@pytest.fixture
def chaos(bridge: Bridge) -> Iterator[Chaos]:
    chaos = Chaos(bridge.port)
    yield chaos
    chaos.close()


@pytest.fixture
def device(tmp_path: Path, chaos: Chaos) -> Iterator[Device]:
    device = Device(tmp_path, f"grpc://127.0.0.1:{chaos.port}")
    yield device
    device.close()


def test_envelopes_arrive_and_are_forgotten(bridge: Bridge, device: Device) -> None:
    """What the bridge took and acknowledged leaves the outbox; words and all arrive as they were sealed."""
    sent = [device.turn() for _ in range(30)]
    for envelope in sent:
        device.outbox.put(envelope)
    until(lambda: not len(device.outbox))
    assert bridge.app.got == sent
    assert device.outbox.counts["acked"] == 30


def test_cuts_lose_nothing_double_nothing_and_keep_the_order(bridge: Bridge, chaos: Chaos, device: Device) -> None:
    """Twenty cuts at random moments while 400 envelopes are put and offered."""
    rng = random.Random(7)
    stop = threading.Event()

    def cutter() -> None:
        while not stop.wait(rng.uniform(0.0, 0.08)) or chaos.cuts < 20:
            chaos.cut()

    thread = threading.Thread(target=cutter)
    thread.start()
    try:
        for number in range(400):
            (device.outbox.put if number % 4 == 0 else device.outbox.offer)(device.turn())
            time.sleep(rng.uniform(0.0, 0.008))
    finally:
        stop.set()
        thread.join()
    until(lambda: not len(device.outbox), 60)
    assert bridge.app.seqs == list(range(1, 401))
    assert bridge.effects() == [f"{device.sealer.boot}/{seq}" for seq in range(1, 401)]
    assert chaos.cuts >= 20
    assert bridge.sessions.counts["out_of_order"] == 0


def test_a_bridge_that_restarts_takes_nothing_twice(bridge: Bridge, chaos: Chaos, device: Device) -> None:
    """The record of what was taken is on disk: a new bridge process knows it."""
    for number in range(60):
        device.outbox.offer(device.turn())
        if number % 20 == 10:
            until(device.online)
            bridge.stop()
            bridge.start()
    until(lambda: not len(device.outbox), 60)
    assert bridge.app.seqs == list(range(1, 61))


def test_a_slow_link_is_not_a_dead_one(bridge: Bridge, tmp_path: Path) -> None:
    """Each envelope waits longer than `ack_s` behind the others, but acknowledgements come: the connection stays."""
    received = bridge.app.received

    async def slowly(device: Sent, envelope: mien_pb2.Envelope) -> Effect:
        await asyncio.sleep(0.1)
        return await received(device, envelope)

    bridge.app.received = slowly  # type: ignore[method-assign]
    device = Device(tmp_path, f"grpc://127.0.0.1:{bridge.port}", ack_s=1.5)
    kept = [device.outbox.offer(device.turn(), linger_s=60.0) for _ in range(30)]
    for one in kept:
        one.result(30)
    assert device.uplink.counts["connects"] == 1
    assert bridge.app.seqs == list(range(1, 31))
    device.close()


def test_the_narrowest_link_gets_on(bridge: Bridge, chaos: Chaos, tmp_path: Path) -> None:
    """What is sent at once takes longer than `ack_s` to arrive: with each vain try less is, until something does."""
    chaos.bytes_per_s = 16_000.0
    device = Device(tmp_path, f"grpc://127.0.0.1:{chaos.port}", ack_s=0.5)
    for _ in range(80):
        device.outbox.offer(device.sealer.turn("turn_end", 1, words="hello " * 60, ttl_s=0), linger_s=60.0)
    until(lambda: not len(device.outbox), 60)
    assert bridge.app.seqs == list(range(1, 81))
    device.close()


def test_half_open_is_found_out(bridge: Bridge, chaos: Chaos, device: Device) -> None:
    """A connection that takes everything and answers nothing is given up after the ack deadline."""
    until(device.online)
    chaos.stalled = True
    device.outbox.put(device.turn())
    until(lambda: device.uplink.counts["failures"] > 0)
    chaos.stalled = False
    until(lambda: not len(device.outbox))
    assert bridge.app.seqs == [1]


def test_a_captive_portal_is_not_a_bridge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something that accepts connections and answers with a web page: named in the reason, and tried again."""
    with socket.create_server(("127.0.0.1", 0)) as portal:

        def answer() -> None:
            while True:
                try:
                    connection, _ = portal.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: http://portal/login\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        device = Device(tmp_path, f"grpc://127.0.0.1:{portal.getsockname()[1]}")
        until(lambda: device.uplink.counts["failures"] >= 2)
        assert "127.0.0.1" in device.uplink.state.reason
        device.close()
        portal.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_a_second_bridge_takes_over(tmp_path: Path, bridge: Bridge) -> None:
    """When the first URI does not answer, the next is used."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        dead = taken.getsockname()[1]
    device = Device(tmp_path, f"grpc://127.0.0.1:{dead}", f"grpc://127.0.0.1:{bridge.port}")
    device.outbox.put(device.turn())
    until(lambda: not len(device.outbox))
    assert device.uplink.state.uri.endswith(str(bridge.port))
    device.close()


def test_replies_come_back_in_order_and_go_on_after_a_cut(bridge: Bridge, chaos: Chaos, device: Device) -> None:
    """Chunks that were sent while the device was away come after it is back; none twice."""
    texts = [f"chunk {i}" for i in range(40)]
    bridge.app.answer = say(*texts, ttl_ms=20_000)
    chaos.delay_s = 0.01
    device.outbox.offer(device.turn())
    until(lambda: len(device.shown) >= 1)
    chaos.cut()
    until(lambda: len(device.shown) == 40)
    assert device.shown == texts
    chaos.refusing = True
    chaos.cut()
    until(lambda: not device.online())
    bridge.run(say("while you were away", "again", ttl_ms=20_000)(bridge.app.links["dev-1"], device.turn(2)))
    chaos.refusing = False
    until(lambda: device.shown[40:] == ["while you were away", "again"])


def test_replies_of_a_new_bridge_process_are_played(bridge: Bridge, device: Device) -> None:
    """Reply numbers begin again at 1 there: to the device they go on."""
    bridge.app.answer = say("a", "b", "c")
    for turn in (1, 2):
        device.outbox.offer(device.turn(turn))
        until(lambda turn=turn: len(device.shown) == 3 * turn)
    bridge.stop()
    bridge.start()
    device.outbox.offer(device.turn(3))
    until(lambda: len(device.shown) == 9)


def test_a_cancel_reaches_the_bridge_even_over_a_cut(bridge: Bridge, chaos: Chaos, device: Device) -> None:
    """Barge-in is told at once, and told again in the hello after a cut; chunks of that turn are not sent any more."""
    device.outbox.put(device.turn())
    until(lambda: not len(device.outbox))
    device.uplink.cancel(1)
    until(lambda: "cancelled 1" in bridge.app.told)
    chaos.refusing = True
    chaos.cut()
    until(lambda: not device.online())
    device.uplink.cancel(2)
    chaos.refusing = False
    until(lambda: "cancelled 2" in bridge.app.told)
    bridge.run(say("too late")(bridge.app.links["dev-1"], device.turn(2)))
    bridge.run(say("new")(bridge.app.links["dev-1"], device.turn(3)))
    until(lambda: device.shown == ["new"])
    assert bridge.app.told.count("connected dev-1") == 1


def test_a_cancel_while_it_connects_is_told_too(
    bridge: Bridge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hello that is under way does not know of it, and the link is not online yet."""
    connect, made = grpc.connect, threading.Event()

    async def slowly(*words: Any, **more: Any) -> Any:
        await asyncio.to_thread(made.wait)
        connected = await connect(*words, **more)
        await asyncio.to_thread(device.uplink.cancel, 3)
        await asyncio.sleep(0)
        return connected

    monkeypatch.setattr(grpc, "connect", slowly)
    device = Device(tmp_path, f"grpc://127.0.0.1:{bridge.port}")
    made.set()
    until(lambda: "cancelled 3" in bridge.app.told)
    assert device.uplink.counts["connects"] == 1
    device.close()


def test_commands_arrive(bridge: Bridge, device: Device) -> None:
    """Mute from afar."""
    until(device.online)
    bridge.run(bridge.app.links["dev-1"].command(mien_pb2.Command(mute=True)))
    until(lambda: device.commands == [mien_pb2.Command(mute=True)])


def test_an_application_that_fails_gets_the_envelope_again_and_poison_ends(bridge: Bridge, device: Device) -> None:
    """It is retried, in order; what fails five times is refused for good, counted, and the next goes on."""
    bridge.app.fail = 2
    device.outbox.put(device.turn())
    device.outbox.put(device.turn())
    until(lambda: not len(device.outbox))
    assert bridge.app.seqs == [1, 2]
    bridge.app.fail = 5
    device.outbox.put(device.turn())
    device.outbox.put(device.turn())
    until(lambda: not len(device.outbox))
    assert bridge.app.seqs == [1, 2, 4]
    assert device.outbox.counts["refused_by_bridge"] == 1


def test_goodbye_ends_the_session_at_once(tmp_path: Path) -> None:
    """No grace for a device that said it goes."""
    bridge = Bridge(grace_s=600.0)
    device = Device(tmp_path, f"grpc://127.0.0.1:{bridge.port}")
    until(device.online)
    device.outbox.offer(device.sealer.goodbye())
    device.uplink.stop(20.0)
    until(lambda: "disconnected dev-1" in bridge.app.told)
    device.close()
    bridge.close()


def test_a_silent_device_is_forgotten_after_the_grace(tmp_path: Path) -> None:
    """No contact for the grace time: the session ends."""
    bridge = Bridge(grace_s=0.05)
    device = Device(tmp_path, f"grpc://127.0.0.1:{bridge.port}")
    until(device.online)
    device.close()
    until(lambda: "disconnected dev-1" in bridge.app.told)
    bridge.close()


def test_over_budget_low_waits_and_alerts_go(tmp_path: Path, bridge: Bridge) -> None:
    """When the bytes of the hour are used up, only what is not LOW is sent."""
    device = Device(tmp_path, f"grpc://127.0.0.1:{bridge.port}", bytes_per_hour=60)
    until(device.online)
    for _ in range(3):
        device.outbox.put(device.turn())
    device.outbox.put(device.sealer.health(rss_mb=10, ttl_s=0))
    device.outbox.put(device.turn())
    until(lambda: bridge.app.seqs == [1, 2, 3, 5])
    until(lambda: len(device.outbox) == 1)
    device.close()


def test_the_budget_refills() -> None:
    """Ten minutes' worth at most."""
    clock = [0.0]
    budget = Budget(3_600, now_s=lambda: clock[0])
    assert budget.left()
    budget.spend(700)
    assert not budget.left()
    clock[0] = 150.0
    assert budget.left()
    clock[0] = 1e6
    budget.spend(600)
    assert not budget.left()
    assert Budget(None).left()


def test_batches_hold_every_packet_in_order_and_keep_their_size() -> None:
    """One alone stays as it is; without room each goes alone."""
    sealer = Sealer("dev-1")
    packets = [mien_pb2.Uplink(envelope=sealer.turn("turn_end", 1, words="x" * 200)) for _ in range(40)]
    made = list(batched(packets, 4_096))
    assert all(len(packet.batch.packet) > 1 and packet.ByteSize() <= 4_096 for packet in made)
    assert [p.envelope.seq for packet in made for p in packet.batch.packet] == list(range(1, 41))
    assert list(batched(packets, 0)) == packets
    assert list(batched(packets[:1], 4_096)) == packets[:1]
    assert list(batched([], 4_096)) == []


def test_an_unknown_transport_is_refused_at_once(tmp_path: Path) -> None:
    """Not on the thread, an hour later."""
    box = Outbox(tmp_path / "o.sqlite")
    with pytest.raises(PluginError, match="grpc"):
        Uplink(box, ["pigeon://loft"], mien_pb2.Hello(), on_reply=lambda reply: None)
    box.close()


def test_what_the_application_cannot_take_for_now_is_never_refused(bridge: Bridge, device: Device) -> None:
    """A store that is away longer than five tries is no fault of the envelope."""
    bridge.app.put_off = 7
    device.outbox.put(device.turn())
    until(lambda: bridge.app.seqs == [1])
    assert bridge.sessions.counts["put_off"] == 7
    assert not bridge.sessions.counts["refused_poison"]


def test_a_listener_that_fails_does_not_break_the_link(bridge: Bridge, tmp_path: Path) -> None:
    """It is counted; the link goes on."""
    device = Device(tmp_path, f"grpc://127.0.0.1:{bridge.port}")

    def broken(reply: mien_pb2.Reply) -> None:
        raise ValueError("no")

    device.uplink._on_reply = broken
    bridge.app.answer = say("a", "b")
    device.outbox.offer(device.turn())
    until(lambda: device.uplink.counts["listener_failed"] == 2)
    assert device.online()
    device.close()
