"""The device's event loop: who reads a socket is called at once, and all else is as asyncio has it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from edge.wire.loop import event_loop

_LONG_S = 30.0


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = event_loop()
    yield loop
    loop.close()


@pytest.fixture
def pairs() -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    made = [socket.socketpair() for _ in range(3)]
    yield made
    for pair in made:
        for one in pair:
            one.close()


def test_a_reader_is_called_before_what_waits_in_the_loop(loop: Any, pairs: list[Any]) -> None:
    """In the look that finds its socket readable, with its arguments, once for what is there."""
    (ours, theirs), *_ = pairs
    done: list[Any] = []
    waited = asyncio.Event()

    def read(*words: str) -> None:
        done.append((*words, ours.recv(9)))

    async def main() -> None:
        theirs.send(b"x")
        loop.add_reader(ours, read, "of", "old")
        loop.add_reader(ours, read, "of", "these")  # in the other's place
        loop.call_soon(done.append, "what waited")
        loop.call_soon(waited.set)
        await waited.wait()

    loop.run_until_complete(asyncio.wait_for(main(), _LONG_S))
    assert done == [("of", "these", b"x"), "what waited"]


def test_a_reader_that_fails_is_told_of_and_ends_nothing(loop: Any, pairs: list[Any]) -> None:
    """The others read on; the loop's handler of exceptions hears what was raised."""
    (ours, theirs), (good, better), _ = pairs
    told: list[Any] = []
    read: asyncio.Future[bytes] = loop.create_future()
    loop.set_exception_handler(lambda where, context: told.append(context["exception"]))

    def fail() -> None:
        ours.recv(9)
        better.send(b"y")
        raise LookupError("of this one")

    async def main() -> bytes:
        loop.add_reader(ours, fail)
        loop.add_reader(good, lambda: read.done() or read.set_result(good.recv(9)))
        theirs.send(b"x")
        return await read

    assert loop.run_until_complete(asyncio.wait_for(main(), _LONG_S)) == b"y"
    assert [type(error) for error in told] == [LookupError]


def test_who_was_removed_is_not_called(loop: Any, pairs: list[Any]) -> None:
    """Not even where both sockets were found readable in one look."""
    called: list[int] = []
    over = asyncio.Event()

    async def main() -> None:
        for number, (ours, theirs) in enumerate(pairs):
            theirs.send(b"x")
            loop.add_reader(ours, take, number)
        await over.wait()
        await asyncio.sleep(0)  # another look

    def take(number: int) -> None:
        called.append(number)
        over.set()
        assert all(loop.remove_reader(ours) for ours, _ in pairs)
        assert not any(loop.remove_reader(ours) for ours, _ in pairs)

    loop.run_until_complete(asyncio.wait_for(main(), _LONG_S))
    assert len(called) == 1


def test_timers_threads_writers_and_streams_work_as_ever(loop: Any, pairs: list[Any]) -> None:
    """What does not come by `add_reader` goes asyncio's own way, beside readers that are never idle."""
    (ours, theirs), (left, right), (spare, _) = pairs
    theirs.send(b"x")

    async def main() -> None:
        loop.add_reader(ours, lambda: None)  # leaves what is there: always readable
        await asyncio.sleep(0.01)
        assert await asyncio.to_thread(lambda: 7) == 7
        written = loop.create_future()
        loop.add_writer(spare, lambda: written.done() or written.set_result(None))
        await written
        loop.remove_writer(spare)
        reader, writer = await asyncio.open_connection(sock=left)
        right.sendall(b"a line\n")
        assert await reader.readline() == b"a line\n"
        writer.write(b"back")
        await writer.drain()
        assert await asyncio.to_thread(right.recv, 9) == b"back"
        writer.close()
        await writer.wait_closed()
        loop.remove_reader(ours)

    loop.run_until_complete(asyncio.wait_for(main(), _LONG_S))


def test_a_socket_that_was_hung_up_on_is_read_to_its_end(loop: Any, pairs: list[Any]) -> None:
    """What poll(2) tells of as hung up reaches the reader, too."""
    (ours, theirs), *_ = pairs
    got: asyncio.Future[list[bytes]] = loop.create_future()
    pieces: list[bytes] = []

    def read() -> None:
        pieces.append(ours.recv(9))
        if not pieces[-1]:
            loop.remove_reader(ours)
            got.set_result(pieces)

    async def main() -> list[bytes]:
        loop.add_reader(ours, read)
        theirs.send(b"x")
        theirs.close()
        return await got

    assert loop.run_until_complete(asyncio.wait_for(main(), _LONG_S)) == [b"x", b""]


def test_a_closed_socket_leaves_nothing_to_who_gets_its_number(loop: Any, pairs: list[Any]) -> None:
    """A reader removed after its socket was closed is gone: its number is another socket's soon."""
    (ours, _), (left, right), _ = pairs
    called: list[int] = []

    async def main() -> None:
        loop.add_reader(ours, called.append, 1)
        ours.close()
        assert loop.remove_reader(ours)
        reader, writer = await asyncio.open_connection(sock=left.dup())  # has the lowest number that is free
        right.sendall(b"a line\n")
        assert await reader.readline() == b"a line\n"
        writer.close()
        await writer.wait_closed()

    loop.run_until_complete(asyncio.wait_for(main(), _LONG_S))
    assert not called


def test_a_loop_that_was_closed_still_lets_go(loop: Any, pairs: list[Any]) -> None:
    """Who cleans up late, as gRPC does, is told that there is nothing; so is who never had a reader."""
    (ours, _), (other, _), _ = pairs
    loop.add_reader(ours, lambda: None)
    assert not loop.remove_reader(other)
    loop.close()
    assert not loop.remove_reader(ours)
