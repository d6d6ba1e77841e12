"""Bridges that share a store: what one took the other knows, and a turn outlives the bridge that began to answer it."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio.client import PubSub

from cloud_bridge.errors import SettingError
from cloud_bridge.fleet.record import SharedRecord
from cloud_bridge.fleet.relay import Relay
from cloud_bridge.fleet.store import LAYOUT, MOMENTS, ONLINE, ORDERS, Store, StoreError, worker_key
from cloud_bridge.fleet.worker import Worker
from cloud_bridge.ingest.base import Device, Link, NotNow
from cloud_bridge.ingest.dedupe import Intervals
from cloud_bridge.presence import Presence
from cloud_bridge.seen import Done
from cloud_bridge.sessions import Memory
from edge.wire import mien_pb2
from tests.sim.bridge import App, Wire
from tests.sim.redis import Redis
from tests.sim.wait import soon

CAR = Device("car-7", 5, tenant="acme")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    running = Redis(tmp_path_factory.mktemp("redis"))
    yield running
    running.close()


@pytest.fixture
def store(server: Redis) -> Iterator[Store]:
    found = Store(server.url)
    found.now.flushall()
    yield found
    found.now.close()


def written(record: SharedRecord, of: str, *seqs: int) -> None:
    """Record, and wait until it is in the store."""
    last = threading.Event()
    for seq in seqs:
        record.record(of, 5, seq, None, last.set if seq == seqs[-1] else lambda: None)
    assert last.wait(10)


def test_what_one_bridge_took_the_other_knows(store: Store) -> None:
    """Before any acknowledgement; a bridge that served the device before reads anew."""
    one, two = SharedRecord(store), SharedRecord(store)
    try:
        written(one, "acme/car-7", 1, 2, 3, 7)
        two.load("acme/car-7", 5)
        assert [seq for seq in range(1, 9) if two.seen("acme/car-7", 5, seq)] == [1, 2, 3, 7]
        written(two, "acme/car-7", 4)
        assert not one.seen("acme/car-7", 5, 4), "it still relies on what it read"
        one.load("acme/car-7", 5)
        assert one.seen("acme/car-7", 5, 4)
        assert not one.seen("others/car-7", 5, 1)
        assert not one.seen("acme/car-7", 6, 1)
    finally:
        one.close()
        two.close()


@settings(max_examples=25)
@given(st.lists(st.lists(st.integers(1, 40), min_size=1, max_size=8), min_size=1, max_size=6))
def test_the_script_joins_like_the_intervals_do(server: Redis, groups: list[list[int]]) -> None:
    """Two bridges that write at once lose nothing, and what is kept stays short."""
    store = Store(server.url)
    store.now.flushall()
    expected = Intervals()
    record = SharedRecord(store)
    try:
        for group in groups:
            written(record, "acme/x", *group)
            for seq in group:
                expected.add(seq)
        record.load("acme/x", 5)
        assert list(record._of("acme/x", 5)) == list(expected)
    finally:
        record.close()
        store.now.close()


def test_while_the_store_is_away_nothing_is_acknowledged(tmp_path: Path) -> None:
    """And everything is, once it is back."""
    server = Redis(tmp_path)
    store = Store(server.url)
    record = SharedRecord(store)
    try:
        written(record, "acme/car-7", 1)
        server.stop()
        done = threading.Event()
        record.record("acme/car-7", 5, 2, None, done.set)
        assert not done.wait(0.5)
        assert record.failed
        server.start()
        assert done.wait(20)
        assert record.failed is None
        record.load("acme/car-7", 5)
        assert record.seen("acme/car-7", 5, 1), "what was recorded before the restart is still known"
    finally:
        record.close()
        store.now.close()
        server.close()


def test_what_waits_for_the_store_was_taken_all_the_same(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that comes back before the store has written sends again what it has no answer to: it is a duplicate."""

    def away(batch: object) -> None:
        raise redis.ConnectionError

    record = SharedRecord(store)
    try:
        with monkeypatch.context() as slow:
            slow.setattr(record._writer, "_commit", away)
            record.record("acme/car-7", 5, 1, None, lambda: None)
            time.sleep(0.1)  # the writer has it now
            record.record("acme/car-7", 5, 2, None, lambda: None)
            record.load("acme/car-7", 5)
            assert [seq for seq in range(1, 4) if record.seen("acme/car-7", 5, seq)] == [1, 2]
    finally:
        record.close()


def turn(number: int) -> mien_pb2.Envelope:
    return mien_pb2.Envelope(
        v=1, device="car-7", boot=5, seq=number, turn=number, kind=mien_pb2.TURN_END, words="hello"
    )


async def test_a_turn_that_was_not_answered_is_taken_over_once(server: Redis, store: Store) -> None:
    """The next bridge gets it again when the device comes; once the device has heard it whole, nobody does."""
    await one_turn(store, answered=False)
    app = App()
    record = SharedRecord(store)
    second = Worker(app, store, record)
    try:
        await second.connected(CAR, Wire())
        assert [envelope.turn for envelope in app.got] == [4]
        assert app.got[0].words == "hello"
        await app.links["car-7"].send(mien_pb2.Reply(turn=4, final=True))
        third_app = App()
        heard = Device("car-7", 5, tenant="acme", heard_turn=4)
        await Worker(third_app, store, record).connected(heard, Wire())
        assert third_app.got == []
        assert 0 < store.now.ttl("mien:turn:acme/car-7") <= 5, "sent is not heard: it stays open for a moment"
        assert second.counts["turns_taken_over"] == 1
    finally:
        record.close()
        await store.soon.aclose()


async def one_turn(store: Store, *, answered: bool, cancelled: bool = False) -> None:
    record = SharedRecord(store)
    app = App()
    worker = Worker(app, store, record)
    await worker.connected(CAR, Wire())
    await worker.received(CAR, turn(4))
    if answered:
        await app.links["car-7"].send(mien_pb2.Reply(turn=4, final=True))
    if cancelled:
        await worker.cancelled(CAR, 4)
    record.close()


@pytest.mark.parametrize("how", ["answered", "cancelled", "another boot"])
async def test_what_needs_no_answer_is_not_taken_over(server: Redis, store: Store, how: str) -> None:
    """It was answered, the person broke it off, or the device started anew."""
    await one_turn(store, answered=how == "answered", cancelled=how == "cancelled")
    app = App()
    record = SharedRecord(store)
    device = Device("car-7", 6 if how == "another boot" else 5, tenant="acme", heard_turn=4 if how == "answered" else 0)
    try:
        await Worker(app, store, record).connected(device, Wire())
        assert app.got == []
    finally:
        record.close()
        await store.soon.aclose()


@pytest.mark.parametrize("how", ["answered", "cancelled"])
async def test_the_end_of_a_turn_does_not_end_the_next_one(
    store: Store, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Both are told to the store by connections of their own: the end may come there after the next turn."""
    monkeypatch.setattr("cloud_bridge.fleet.worker._TURN_S", 3_600)
    send, begun, go = store.soon.execute_command, asyncio.Event(), asyncio.Event()

    async def slow(*args: Any, **options: Any) -> Any:
        if args[0] != "SET":
            begun.set()
            await go.wait()
        return await send(*args, **options)

    async def end() -> None:
        if how == "answered":
            await app.links["car-7"].send(mien_pb2.Reply(turn=4, final=True))
        else:
            await worker.cancelled(CAR, 4)

    app, record = App(), SharedRecord(store)
    worker = Worker(app, store, record)
    try:
        await worker.connected(CAR, Wire())
        await worker.received(CAR, turn(4))
        monkeypatch.setattr(store.soon, "execute_command", slow)
        over = asyncio.ensure_future(end())
        await begun.wait()
        await worker.received(CAR, turn(5))
        go.set()
        await over
        assert store.now.get("mien:turn:acme/car-7") == turn(5).SerializeToString()
        assert int(store.now.ttl("mien:turn:acme/car-7")) > 60, "nor does it end with the one before"
    finally:
        record.close()
        await store.soon.aclose()


async def test_the_conversation_goes_on_at_the_next_bridge(server: Redis, store: Store) -> None:
    """The last exchanges travel; erasure takes them from the store, too."""
    record = SharedRecord(store)
    mine, yours = Memory(), Memory()
    mine.exchanges.append((1, "I am tired", "Rest a little."))
    app = App()
    first = Worker(app, store, record, lambda device: mine)
    second = Worker(App(), store, record, lambda device: yours)
    try:
        await first.connected(CAR, Wire())
        await first.received(CAR, turn(4))
        await app.links["car-7"].send(mien_pb2.Reply(turn=4, final=True))
        await soon(lambda: store.now.exists("mien:memory:acme/car-7"))
        await second.connected(CAR, Wire())
        assert yours.exchanges == mine.exchanges == [(1, "I am tired", "Rest a little.")]
        assert await second.forget("acme", "car-7") == 2, "memory, and the turn"
        assert await second.forget("acme", "car-7") == 0
    finally:
        record.close()
        await store.soon.aclose()


async def test_one_bridge_shows_and_orders_what_is_at_the_other(server: Redis) -> None:
    """Presence, moments and orders cross; a bridge that dies takes its devices offline."""
    stores = [Store(server.url), Store(server.url)]
    here, there = Presence(App()), Presence(App())
    shows = Relay(here, stores[0], "here", shows=True)
    holds = Relay(there, stores[1], "there", shows=False)
    wire = Wire()
    try:
        holds.start()
        await there.connected(CAR, wire)
        shows.start()
        await soon(lambda: here.devices("acme"))
        seen = here.get("acme", "car-7")
        assert seen.online
        assert here.devices("others") == []

        async def obey() -> None:
            await soon(lambda: wire.commands)
            told = {"id": str(wire.commands[0].id), "done": "true", "muted": "true"}
            event = mien_pb2.Event(name="order", arguments=told)
            await there.received(CAR, mien_pb2.Envelope(boot=5, kind=mien_pb2.EVENT, events=[event]))

        async with asyncio.timeout(10):
            obeying = asyncio.create_task(obey())
            assert await here.order("acme", "car-7", mien_pb2.Command(mute=True), by="anna") == Done(True)
            await obeying
        assert seen.muted is True
        await holds.stop()
        await soon(lambda: not seen.online)
    finally:
        await shows.stop()
        await holds.stop()
        for one in stores:
            await one.close()


async def test_a_store_that_nobody_answers_for_is_told_at_the_start() -> None:
    """With the address and the mend."""
    store = Store("redis://127.0.0.1:9/0")
    with pytest.raises(StoreError, match="start it"):
        await store.check()
    await store.close()


async def test_a_store_that_a_newer_bridge_uses_is_refused(store: Store) -> None:
    """Before anything of it is read or written."""
    await store.check()
    for layout, why in (("1", "newer Mien wrote it"), ("?", "cannot be used")):
        await store.soon.set(LAYOUT, layout)
        with pytest.raises(SettingError, match=why):
            await store.check()
    await store.soon.aclose()


def test_links_and_workers_fit_their_protocols() -> None:
    """What stands between is a handler and a link like any other."""
    link: Link = Wire()
    assert link.next_reply() == 1


class Late(PubSub):
    """What it asks for leaves only when an answer is looked for, as over a slow way."""

    asked: tuple[Any, ...] = ()

    async def execute_command(self, *args: Any) -> None:
        await self.connect()
        self.asked = args

    async def get_message(self, *args: Any, **options: Any) -> Any:
        if asked := self.asked:
            self.asked = ()
            await super().execute_command(*asked)
        return await super().get_message(*args, **options)


async def test_what_happens_while_a_bridge_begins_to_listen_is_not_missed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is online is read once the store tells that it listens: what comes after is heard."""
    read = store.soon.hgetall

    async def then_it_comes(name: str) -> Any:
        found = await read(name)
        store.now.hset(ONLINE, "acme/car-7", came())
        store.now.publish(MOMENTS, came())
        return found

    monkeypatch.setattr(store.soon, "hgetall", then_it_comes)
    monkeypatch.setattr(store.soon, "pubsub", lambda **how: Late(store.soon.connection_pool, **how))
    async with shown(store) as (_, presence):
        await soon(lambda: presence.devices("acme"))


async def test_what_happens_while_a_bridge_is_cut_off_is_read_afterwards(store: Store) -> None:
    """What was told meanwhile is told by nobody again: who is online is read anew, whoever mends the connection."""
    store.now.set(worker_key("there"), b"1")
    store.now.hset(ONLINE, "acme/car-7", came())
    async with shown(store) as (_, presence):
        await soon(lambda: len(presence.devices("acme")) == 1)
        store.now.hset(ONLINE, "acme/car-8", came("car-8"))
        store.now.hdel(ONLINE, "acme/car-7")
        store.now.client_kill_filter(_type="pubsub")
        await soon(lambda: len(presence.devices("acme")) == 2)
        await soon(lambda: not presence.get("acme", "car-7").online)
        assert presence.get("acme", "car-8").online


@asynccontextmanager
async def shown(store: Store) -> AsyncIterator[tuple[Relay, Presence]]:
    """A bridge that shows what happens at the others, and whom it shows."""
    presence = Presence(App())
    relay = Relay(presence, store, "here", shows=True)
    try:
        relay.start()
        yield relay, presence
    finally:
        await relay.stop()
        await store.soon.aclose()


def came(device: str = "car-7") -> bytes:
    told = {"w": "there", "t": "acme", "d": device, "b": 5, "s": "", "k": "online", "f": {}}
    return json.dumps(told).encode() + b"\n"


async def test_what_another_bridge_garbles_ends_nothing(store: Store) -> None:
    """A bridge of another version may tell what this one cannot read; what comes after is heard."""
    store.now.hset(ONLINE, "acme/old", b"no JSON")
    async with shown(store) as (relay, presence):
        await soon(lambda: store.now.pubsub_numsub(MOMENTS)[0][1])
        for packet in (b"no JSON", b"[]\n", b"{}\n"):
            store.now.publish(MOMENTS, packet)
        store.now.publish(ORDERS, b"no JSON")
        store.now.publish(MOMENTS, came())
        await soon(lambda: presence.devices("acme"))
        assert relay.counts["malformed"] == 5


async def test_a_device_that_was_forgotten_meanwhile_is_buried_all_the_same(store: Store) -> None:
    """Else this bridge would tell nobody any more that it lives, and all its own devices would count as gone."""
    presence = Presence(App())
    relay = Relay(presence, store, "here", shows=True)
    relay._at["acme", "car-7"] = relay._at["acme", "car-8"] = "there"
    store.now.hset(ONLINE, "acme/car-7", came())
    store.now.hset(ONLINE, "acme/car-8", came("car-8").replace(b"there", b"elsewhere"))
    await relay._bury()
    assert relay._at == {}
    assert store.now.hkeys(ONLINE) == [b"acme/car-8"], (
        "what came back elsewhere, and was not heard of here yet, is there"
    )
    await store.soon.aclose()


async def test_a_turn_that_cannot_be_noted_is_put_off(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store may be away for long: the turn stays with the device, and nothing was made of it here."""

    async def away(*_: object, **__: object) -> None:
        raise ConnectionError("refused")

    app, record = App(), SharedRecord(store)
    try:
        monkeypatch.setattr(store.soon, "set", away)
        with pytest.raises(NotNow):
            await Worker(app, store, record).received(CAR, turn(1))
        assert app.got == []
    finally:
        record.close()
        await store.soon.aclose()
