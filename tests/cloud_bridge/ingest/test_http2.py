"""gRPC's wire: what comes in pieces is whole, who does not read or floods is cut off, and others notice nothing."""

from __future__ import annotations

import asyncio
import gc
import struct
import weakref
from collections.abc import AsyncIterator

import grpc
import h2.config
import h2.connection
import h2.events
import pytest

from cloud_bridge.errors import ListenError
from cloud_bridge.ingest import grpc as ingest
from cloud_bridge.ingest import http2
from cloud_bridge.ingest.call import Call, Failed
from cloud_bridge.ingest.sessions import Sessions
from tests.sim.bridge import App
from tests.sim.wait import soon

ECHO, LARGE, ENDLESS, DEAF, ONCE = "/test/Echo", "/test/Large", "/test/Endless", "/test/Deaf", "/test/Once"
LARGE_BYTES = 700_000


async def echo(call: Call) -> None:
    while (message := await call.read()) is not None:
        if message == b"admit":
            call.admit()
        call.write(message)


async def large(call: Call) -> None:
    await call.read()
    call.write(bytes(LARGE_BYTES))


async def endless(call: Call) -> None:
    await call.read()
    while True:
        call.write(bytes(60_000))
        await asyncio.sleep(0)


async def once(call: Call) -> None:
    call.write(await call.read() or b"")


async def deaf(call: Call) -> None:
    while call.over is None:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    raise call.over


@pytest.fixture
async def server() -> AsyncIterator[ingest.Server]:
    sessions = Sessions(App())
    running = ingest.Server(
        sessions, {ECHO: echo, LARGE: large, ENDLESS: endless, DEAF: deaf, ONCE: once}, lambda: None
    )
    await running.listen("127.0.0.1:0", None)
    yield running
    await running.stop(0.1)
    await sessions.close()


class Client:
    """A client of our own making, which may do what none should."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self.got = b""
        self.trailers: dict[str, str] = {}
        self.goaway: int | None = None
        self.gone = False

    async def open(self, path: str = ECHO) -> Client:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.h2.initiate_connection()
        self.h2.send_headers(
            1, [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "x"), ("te", "trailers")]
        )
        self.flush()
        return self

    def flush(self) -> None:
        self._writer.write(self.h2.data_to_send())

    def raw(self, data: bytes) -> None:
        self._writer.write(data)

    def send(self, body: bytes, **more: int) -> None:
        self.h2.send_data(1, body, **more)
        self.flush()

    async def until(self, seconds: float = 20.0, size: int = 0) -> None:
        """Read until `size` bytes, trailers, or the end have come."""
        async with asyncio.timeout(seconds):
            while not self.gone and not self.trailers and not (size and len(self.got) >= size):
                data = await self._reader.read(65_536)
                if not data:
                    self.gone = True
                for event in self.h2.receive_data(data) if data else ():
                    if isinstance(event, h2.events.DataReceived):
                        self.got += event.data
                    elif isinstance(event, h2.events.TrailersReceived | h2.events.ResponseReceived):
                        told = {name.decode(): value.decode() for name, value in event.headers}
                        self.trailers = told if "grpc-status" in told else {}
                    elif isinstance(event, h2.events.ConnectionTerminated):
                        self.goaway, self.gone = int(event.error_code), True
                if not self.gone:
                    self.flush()

    def close(self) -> None:
        self._writer.close()


def message(body: bytes, packed: int = 0) -> bytes:
    return struct.pack(">BI", packed, len(body)) + body


def frame(body: bytes, kind: int = 0, flags: int = 0, stream: int = 1) -> bytes:
    return struct.pack(">BHBBI", len(body) >> 16, len(body) & 0xFFFF, kind, flags, stream) + body


async def test_messages_in_any_pieces_arrive_whole_and_in_order(server: ingest.Server) -> None:
    """Cut anywhere: within the frame's head, the message's head, the message; several in a frame; with padding."""
    client = await Client(server.port).open()
    words = [b"one", b"", b"x" * 1_000, b"four"]
    stream = b"".join(map(message, words))
    for at in range(0, len(stream), 7):  # seven bytes a frame
        client.raw(frame(stream[at : at + 7]))
    whole = frame(stream)
    for byte in range(0, len(whole), 11):  # and one frame in many writes
        client.raw(whole[byte : byte + 11])
        await asyncio.sleep(0)
    client.send(stream, pad_length=40)
    await client.until(size=3 * len(stream))
    assert client.got == 3 * stream
    client.close()


async def test_a_message_larger_than_the_window_comes_as_it_is_read(server: ingest.Server) -> None:
    """By grpcio's own client, which tells how much it takes; and the call ends well."""
    async with grpc.aio.insecure_channel(
        f"127.0.0.1:{server.port}", options=[("grpc.max_receive_message_length", -1)]
    ) as channel:
        call = channel.stream_stream(LARGE)()
        await call.write(b"go")
        assert len(await call.read()) == LARGE_BYTES
        assert await call.read() is grpc.aio.EOF
        assert await call.code() is grpc.StatusCode.OK
        with pytest.raises(grpc.aio.AioRpcError) as told:
            await channel.unary_unary("/test/Absent")(b"")
        assert told.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_long_stream_keeps_its_windows(server: ingest.Server) -> None:
    """Ten times what may wait unread goes through: the caller is told of what was read."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        call = channel.stream_stream(ECHO)()
        for number in range(40):
            await call.write(number.to_bytes(2, "big") * 16_000)
            assert await call.read() == number.to_bytes(2, "big") * 16_000
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF


@pytest.mark.parametrize(
    ("packet", "code"),
    [
        (frame(message(b"x", packed=1)), grpc.StatusCode.UNIMPLEMENTED),
        (frame(struct.pack(">BI", 0, 1 << 30)), grpc.StatusCode.RESOURCE_EXHAUSTED),
    ],
)
async def test_what_is_no_message_ends_the_call(server: ingest.Server, packet: bytes, code: grpc.StatusCode) -> None:
    """With the reason."""
    client = await Client(server.port).open()
    client.raw(packet)
    await client.until()
    assert client.trailers["grpc-status"] == str(code.value[0])
    client.close()


@pytest.mark.parametrize(
    "packet",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + bytes(20),
        frame(bytes(20_000)),  # larger than we take
        frame(b"\xff" * 30, kind=1, flags=4, stream=3),  # headers that are none
        frame(b"", kind=1, flags=0, stream=3) + frame(b"", kind=6),  # a ping within headers
    ],
)
async def test_what_is_no_http2_ends_the_connection_alone(server: ingest.Server, packet: bytes) -> None:
    """Another one goes on."""
    good = await Client(server.port).open()
    bad = await Client(server.port).open()
    bad.raw(packet)
    await bad.until()
    assert bad.gone
    good.send(message(b"still here"))
    await good.until(size=15)
    assert good.got == message(b"still here")
    bad.close()
    good.close()


async def test_a_caller_that_does_not_read_is_cut_off(server: ingest.Server) -> None:
    """What waits for it is bounded."""
    client = await Client(server.port).open(ENDLESS)
    client.send(message(b"talk"))
    await client.until()  # grants nothing
    assert client.trailers["grpc-status"] == str(grpc.StatusCode.RESOURCE_EXHAUSTED.value[0])
    assert len(client.got) == 65_535, "the window that every client grants"
    client.close()


async def test_a_sender_that_ignores_the_window_is_cut_off(server: ingest.Server) -> None:
    """While nobody reads, no more than the window waits."""
    client = await Client(server.port).open(DEAF)
    for _ in range(40):
        client.raw(frame(message(bytes(10_000))))
    await client.until()
    assert client.trailers["grpc-status"] == str(grpc.StatusCode.RESOURCE_EXHAUSTED.value[0])
    client.close()


@pytest.mark.parametrize("noise", [frame(b"12345678", kind=6, stream=0), frame(b"")], ids=["pings", "empty frames"])
async def test_a_flood_of_frames_that_say_nothing_ends_the_connection(server: ingest.Server, noise: bytes) -> None:
    """Told to calm down at the next look."""
    client = await Client(server.port).open()
    client.raw(noise * 3_000)
    client.send(message(b"done"))
    await client.until(size=9)
    (connection,) = server._connections
    connection.look(connection.began_s)
    await client.until(size=1_000)
    assert client.goaway == 11
    client.close()


async def test_who_is_told_much_may_give_back_as_much_room(server: ingest.Server) -> None:
    """A busy conversation is no flood: a client answers each message that it gets with frames of its own."""
    client = await Client(server.port).open()
    client.raw(b"".join(frame(message(b"1234")) + frame(b"12345678", kind=6, stream=0) for _ in range(3_000)))
    await client.until(size=9 * 3_000)
    (connection,) = server._connections
    connection.look(connection.began_s)
    assert not connection.transport.is_closing()
    client.close()


async def test_who_is_silent_is_asked_and_then_given_up(server: ingest.Server) -> None:
    """A device whose network went without a word does not stay for ever; one that answers does."""
    client = await Client(server.port).open()
    client.send(message(b"admit"))
    await client.until(size=10)
    (connection,) = server._connections
    later_s = connection._heard_s + http2.KEEPALIVE_S + 1
    connection.look(later_s)
    connection.look(later_s + 1)
    assert not connection.transport.is_closing()
    connection.look(later_s + 20)
    assert connection.transport.is_closing()
    client.close()


async def test_strangers_cannot_take_all_places(server: ingest.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest of those that nobody admitted goes first; who was admitted stays, and a stranger not for long."""
    monkeypatch.setattr(ingest, "MOST_STRANGERS", 3)
    device = await Client(server.port).open()
    device.send(message(b"admit"))
    await device.until(size=10)
    strangers = [await Client(server.port).open() for _ in range(4)]
    await strangers[0].until()
    assert strangers[0].gone
    for each in strangers[1:]:
        each.send(message(b"x"))
        await each.until(size=6)
    for connection in list(server._connections):
        connection.look(connection.began_s + http2.STRANGER_S + 1)
    await strangers[3].until(size=1_000)
    assert strangers[3].gone
    device.send(message(b"x"))
    await device.until(size=16)
    assert not device.gone
    for each in (device, *strangers):
        each.close()


async def test_a_port_that_is_none_is_told(server: ingest.Server) -> None:
    """Not a traceback."""
    for address in ("127.0.0.1:x", "127.0.0.1:70000", "no.such.host.invalid:0"):
        with pytest.raises(ListenError):
            await ingest.Server(Sessions(App()), {}, lambda: None).listen(address, None)


async def test_why_a_call_failed_is_told_in_any_language(server: ingest.Server) -> None:
    """Messages of gRPC are percent-encoded UTF-8."""

    async def fail(call: Call) -> None:
        raise Failed(grpc.StatusCode.ABORTED, "später, 100 % sicher")

    server._handlers = {ECHO: fail}
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as told:
            await channel.unary_unary(ECHO)(b"")
    assert told.value.details() == "später, 100 % sicher"


async def test_a_connection_outlives_any_number_of_calls(server: ingest.Server) -> None:
    """What a call read without saying so, and what it never read, does not count against the next one."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        for _ in range(40):
            call = channel.stream_stream(ONCE)(timeout=20)
            await call.write(bytes(30_000))
            assert len(await call.read()) == 30_000
            assert await call.code() is grpc.StatusCode.OK
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        for _ in range(10):
            call = channel.stream_stream(DEAF)(timeout=20)
            await call.write(bytes(60_000))
            await asyncio.sleep(0.02)
            call.cancel()
        call = channel.stream_stream(ONCE)(timeout=20)
        await call.write(bytes(60_000))
        assert len(await call.read()) == 60_000


def test_what_comes_after_the_end_is_not_kept() -> None:
    """A handler may be busy for seconds yet: the sender must not fill the memory meanwhile."""
    call = Call(None, 1, ECHO, None)  # type: ignore[arg-type]
    call.stop(Failed(grpc.StatusCode.RESOURCE_EXHAUSTED, "too much"))
    for _ in range(1_000):
        call.feed(struct.pack(">BI", 0, 1_000) + bytes(1_000))
    assert not call._messages
    assert call.settle() == 1_005_000


@pytest.mark.parametrize(("path", "by_caller"), [(ECHO, True), (ENDLESS, True), (LARGE, False), ("/none", False)])
async def test_an_ended_connection_leaves_nothing_for_the_collector(
    server: ingest.Server, path: str, by_caller: bool
) -> None:
    """A fleet that comes and goes would fill the memory with what only a look at everything finds, whoever hangs up."""
    gc.collect()
    gc.disable()
    try:
        client = await Client(server.port).open(path)
        client.send(message(b"x"))
        await client.until(size=1)
        left = [weakref.ref(part) for one in server._connections for part in (one, one._h2)]
        if by_caller:
            client.close()
        else:
            for one in list(server._connections):
                one.close()
            del one
        await soon(lambda: not any(part() for part in left))
    finally:
        gc.enable()
