"""What is busy on an MQTT connection, over a pair of sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from edge.wire import publications
from edge.wire.mqtt_flow import Flow, MqttError
from edge.wire.publications import Message


class Joined(Flow):
    """A connection that stands; its broker is the test."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__()
        self._mid = 0
        self._deliveries.most = 2
        self._begin_flow(sock)

    def _other(self, first: int, body: bytes) -> bool:
        return False

    def _number(self) -> int:
        self._mid += 1
        return self._mid

    def _end(self, reason: str) -> None:
        if not self._over:
            self._end_flow(reason)


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, brokers = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)  # a write is read as one piece
    ours.setblocking(False)
    brokers.setblocking(False)
    with ours, brokers:
        yield ours, brokers


def said(topic: str, qos: int = 0, mid: int = 0) -> bytes:
    return publications.pack(topic, b"x", b"\0", qos=qos, retain=False, mid=mid)


async def test_an_answer_leaves_with_what_the_taker_says(sockets: tuple[socket.socket, socket.socket]) -> None:
    """One write for all that one read makes us say, in the step that read it: the broker is woken once."""
    ours, brokers = sockets
    flow = Joined(ours)

    def answer(message: Message) -> None:
        flow.send(f"to/{message.topic}", b"x", qos=0, told=flow.told())

    listening = asyncio.create_task(flow.listen(answer))
    await asyncio.sleep(0)
    brokers.send(said("a", 1, 7) + said("b", 2, 8) + said("c"))
    await asyncio.sleep(0.05)
    packets, rest = publications.split(brokers.recv(65_536))
    assert not rest
    assert {first & 0xF0 for first, _ in packets} == {publications.PUBLISH, publications.PUBACK, publications.PUBREC}
    published = [publications.unpack(*packet, five=True)[0].topic for packet in packets if packet[0] == 0x30]
    assert published == ["to/a", "to/b", "to/c"]
    with pytest.raises(BlockingIOError):
        brokers.recv(65_536)
    listening.cancel()
    flow._end("closed")


async def test_what_came_before_the_taker_is_handed_to_it(sockets: tuple[socket.socket, socket.socket]) -> None:
    """In its order, however the packets were cut; nothing is lost between `receive` and `listen`."""
    ours, brokers = sockets
    flow = Joined(ours)
    data = b"".join(said(topic) for topic in "abcde")
    brokers.send(data[:9])
    assert (await flow.receive()).topic == "a"
    brokers.send(data[9:20])
    await asyncio.sleep(0.05)
    got: list[str] = []
    listening = asyncio.create_task(flow.listen(lambda message: got.append(message.topic)))
    await asyncio.sleep(0)
    brokers.send(data[20:])
    await asyncio.sleep(0.05)
    assert got == ["b", "c", "d", "e"]
    listening.cancel()
    flow._end("closed")


async def test_what_a_taker_raises_ends_listening(sockets: tuple[socket.socket, socket.socket]) -> None:
    """It does not vanish in the loop, and what comes after it is kept."""
    ours, brokers = sockets
    flow = Joined(ours)

    def fail(message: Message) -> None:
        raise LookupError(message.topic)

    brokers.send(said("a"))
    with pytest.raises(LookupError, match="a"):
        await flow.listen(fail)
    listening = asyncio.create_task(flow.listen(fail))
    await asyncio.sleep(0)
    brokers.send(said("b") + said("c"))
    with pytest.raises(LookupError, match="b"):
        await listening
    assert (await flow.receive()).topic == "c"
    flow._end("closed")
    with pytest.raises(MqttError, match="closed"):
        await flow.receive()


async def test_no_more_are_on_their_way_than_the_broker_takes(sockets: tuple[socket.socket, socket.socket]) -> None:
    """`publish` waits until one is acknowledged, `takes_more` tells; an end lets nobody wait."""
    ours, brokers = sockets
    flow = Joined(ours)
    first, _ = [await flow.publish("t", b"x", qos=1) for _ in range(2)]
    assert not flow.takes_more
    third = asyncio.create_task(flow.publish("t", b"x", qos=1))
    await asyncio.sleep(0.05)
    assert not third.done()
    brokers.send(publications.answer(publications.PUBACK, 1))
    assert first is not None
    assert await first == 0
    assert await third is not None
    fourth = asyncio.create_task(flow.publish("t", b"x", qos=1))
    await asyncio.sleep(0.05)
    flow._end("gone")
    with pytest.raises(MqttError, match="gone"):
        await fourth
