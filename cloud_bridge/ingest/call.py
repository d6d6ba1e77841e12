"""One gRPC call: messages in, messages out, each way no more than the other end takes."""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections import deque
from typing import Protocol

import grpc
from h2.stream import H2Stream

WINDOW = 131_072  # bytes of a call that wait unread
_PENDING = 1 << 20  # bytes of a call that wait for the caller to read
_MESSAGE = struct.Struct(">BI")  # before a message: compressed, size


class Carrier(Protocol):
    """The connection, as a call sees it."""

    transport: asyncio.Transport

    def admit(self) -> None:
        """A caller is known."""

    def pump(self, call: Call) -> None:
        """Write as much of what `call` has as the caller and the socket take."""

    def renew(self, call: Call, size: int) -> None:
        """The caller may send `size` bytes more."""


class Failed(Exception):  # noqa: N818
    """Ends a call with `code`; the message is shown to the caller."""

    def __init__(self, code: grpc.StatusCode, why: str) -> None:
        super().__init__(why)
        self.code = code


class Call:
    """One call. `read` and `drain` are for one task; nothing here is for other threads."""

    def __init__(self, connection: Carrier, number: int, path: str, stream: H2Stream) -> None:
        self.path = path
        self.number = number
        self.begun = False  # our headers are out
        self.half_closed = False  # the caller said its last
        self.out: deque[bytes | memoryview] = deque()
        self.pending = 0  # bytes in `out`
        self.stream = stream
        self._connection = connection
        self._messages: deque[bytes] = deque()
        self._partial = b""
        self._unread = 0
        self._credit = 0  # bytes that were read, and that the caller was not told of yet
        self._waiting: asyncio.Future[None] | None = None
        self._draining: asyncio.Future[None] | None = None
        self.over: Exception | None = None  # why it ended

    @property
    def tls(self) -> ssl.SSLObject | None:
        """The caller's TLS, if any."""
        found: ssl.SSLObject | None = self._connection.transport.get_extra_info("ssl_object")
        return found

    def admit(self) -> None:
        """The caller is known: its connection may stay."""
        self._connection.admit()

    async def read(self) -> bytes | None:
        """The next message; None when the caller said its last, or is gone. Raises what `stop` was called with."""
        while not self._messages:
            if self.over is not None:
                raise self.over
            if self.half_closed:
                return None
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        if self.over is not None and not isinstance(self.over, ConnectionError):
            raise self.over
        message = self._messages.popleft()
        size = len(message) + _MESSAGE.size
        self._unread -= size
        self._credit += size
        if self._credit >= WINDOW // 4:
            self._connection.renew(self, self._credit)
            self._credit = 0
        return message

    def write(self, message: bytes) -> None:
        """Send `message` as soon as the caller reads. Raises ConnectionError once the call is over, or stuck."""
        if self.over is not None:
            raise ConnectionError("the call is over")
        if self.pending > _PENDING:
            self.stop(Failed(grpc.StatusCode.RESOURCE_EXHAUSTED, "the device does not read"))
            raise ConnectionError("the caller does not read")
        self.out.append(_MESSAGE.pack(0, len(message)) + message)
        self.pending += len(message) + _MESSAGE.size
        self._connection.pump(self)

    async def drain(self) -> None:
        """Wait until everything is with the caller's machine or in the socket. Raises ConnectionError."""
        while self.out:
            if self.over is not None:
                raise ConnectionError("the call is over")
            self._draining = asyncio.get_running_loop().create_future()
            await self._draining

    async def ended(self) -> None:
        """Wait until the caller, or the bridge, ends the call. Raises what `stop` was called with."""
        while await self.read() is not None:
            pass  # whatever else it says
        while self.over is None:
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        raise self.over

    def stop(self, why: Exception) -> None:
        """`read` raises `why` from now on. Idempotent: the first cause stays."""
        if self.over is None:
            self.over = why
            self.wake()
            self.drained()

    # ------------------------------------------------------------ the connection's side

    def feed(self, data: bytes, *, credited: bool = False) -> None:
        """Bytes of messages came. `credited`: the caller was told already that it may send as many again."""
        self._unread += len(data)
        if credited:
            self._credit -= len(data)
        if self.over is not None:  # nobody will read it: it is counted, and not kept
            return
        if self._partial:
            data = self._partial + data
        at, end = 0, len(data)
        while end - at >= _MESSAGE.size:
            packed, size = _MESSAGE.unpack_from(data, at)
            if packed:
                self.stop(Failed(grpc.StatusCode.UNIMPLEMENTED, "compressed messages are not taken"))
                return
            if size > WINDOW // 2:
                self.stop(Failed(grpc.StatusCode.RESOURCE_EXHAUSTED, f"a message of {size} bytes is too large"))
                return
            till = at + _MESSAGE.size + size
            if till > end:
                break
            self._messages.append(data[at + _MESSAGE.size : till])
            at = till
        self._partial = data[at:]
        if self._unread > WINDOW:
            self.stop(Failed(grpc.StatusCode.RESOURCE_EXHAUSTED, "more was sent than the window allows"))
        self.wake()

    def forget(self) -> None:
        """The call is over, and nobody asks why: what was raised holds who raised it, and so the call itself."""
        if self.over is not None:
            self.over.__traceback__ = self.over.__context__ = None

    def settle(self) -> int:
        """Bytes of this call that the caller's connection is still charged with; the call is over, so they are free."""
        left, self._unread, self._credit = self._unread + self._credit, 0, 0
        return left

    def wake(self) -> None:
        """Let `read` look again."""
        if (waiting := self._waiting) is not None:
            self._waiting = None
            if not waiting.done():
                waiting.set_result(None)

    def drained(self) -> None:
        """Let `drain` look again."""
        if (draining := self._draining) is not None:
            self._draining = None
            if not draining.done():
                draining.set_result(None)
