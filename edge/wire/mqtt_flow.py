"""What travels on an MQTT connection that stands: publications both ways, on the loop's own readers and writers.

A publication leaves in the caller's own step of the loop; a received one is handed to its taker in the step that read
it, and the answer to it goes with what the taker publishes: no round trip wakes anybody more often than it must. A
process that is woken finds its caches cold, so there are few functions between the socket and the taker.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections import deque
from collections.abc import Callable
from typing import Any, NoReturn

from edge.wire import publications
from edge.wire.deliveries import HANDLED, Deliveries
from edge.wire.publications import Lone, Message, front, properties

_READ = 65_536  # bytes asked of the socket at once
_QUEUED = 4_096  # received messages not yet taken
_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class MqttError(Exception):
    """The broker cannot be reached, refuses, or hung up. The message names the cause."""


class Flow:
    """The half of `edge.wire.mqtt.Mqtt` that is busy. Every method raises MqttError once the connection has ended."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._sock: socket.socket | None = None
        self._tls: ssl.SSLSocket | None = None  # the same, where it is one
        self._five = True  # MQTT 5 is spoken, else 3.1.1
        self._out: list[bytes] = []  # to be written
        self._rest = b""  # the beginning of a packet
        self._lone = Lone(five=True)
        self._deliveries = Deliveries(self._out)
        self._ended: asyncio.Future[str] = self._loop.create_future()
        self._over = False  # whether that is done
        self._writing = False  # the socket takes no more for now
        self._reading = self._said = False  # packets are being taken; something was published meanwhile
        self._flushing = False  # answers leave at the end of this step of the loop
        self._heard = self._spoke = False  # since the connection's half last looked
        self._taker: Callable[[Message], None] | None = None
        self._failed: asyncio.Future[NoReturn] = self._loop.create_future()  # what the taker raised
        self._messages: deque[Message] = deque()  # while there is no taker
        self._reader: asyncio.Future[None] | None = None  # who waits for the next one
        self.dropped = 0  # received and not taken in time

    # ------------------------------------------------------------ for the connection's half

    def _other(self, first: int, body: bytes) -> bool:
        """Handle a packet that is not a publication's; whether it is one of MQTT's."""
        raise NotImplementedError

    def _number(self) -> int:
        """A fresh packet number."""
        raise NotImplementedError

    def _end(self, reason: str) -> None:
        """Hang up, whatever the state."""
        raise NotImplementedError

    def _begin_flow(self, sock: socket.socket) -> None:
        self._rest, self._writing, self._lone = b"", False, Lone(self._five)
        self._sock, self._tls = sock, sock if isinstance(sock, ssl.SSLSocket) else None
        self._loop.add_reader(sock, self._readable)

    def _end_flow(self, reason: str) -> None:
        """Once."""
        self._over = True
        self._ended.set_result(reason)
        if (sock := self._sock) is not None:
            with contextlib.suppress(OSError, ValueError):
                self._loop.remove_reader(sock)
                self._loop.remove_writer(sock)
            with contextlib.suppress(OSError):
                sock.close()
        self._deliveries.end()
        self._wake_reader()

    # ------------------------------------------------------------ out

    async def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int,
        retain: bool = False,
        response: str = "",
        correlation: bytes = b"",
        expiry_s: int | None = None,
        alias: int = 0,
    ) -> asyncio.Future[int] | None:
        """Publish; waits only while too many are on their way. For QoS 1 and 2 the future gives the broker's reason
        code. `alias`: the topic's number for this connection; once told, `topic` may be empty."""
        while not self._deliveries.room.is_set() and not self._over:
            await self._or_ended(asyncio.ensure_future(self._deliveries.room.wait()))
        return self.send(topic, payload, qos=qos, retain=retain, told=self.told(response, correlation, expiry_s, alias))

    @property
    def takes_more(self) -> bool:
        """Whether the broker takes one more publication of QoS 1 or 2 now."""
        return self._deliveries.room.is_set() and not self._over

    def told(self, response: str = "", correlation: bytes = b"", expiry_s: int | None = None, alias: int = 0) -> bytes:
        """What is said beside a publication, as `send` takes it; nothing by MQTT 3.1.1."""
        return properties(response, correlation, expiry_s, alias) if self._five else b""

    def send(
        self, topic: str, payload: bytes, *, qos: int, told: bytes, retain: bool = False
    ) -> asyncio.Future[int] | None:
        """As `publish`, at once, be it one more than the broker takes: with QoS 1 and 2 look at `takes_more` before."""
        if self._over:
            raise MqttError(self._reason())
        acked = None
        if qos:
            mid = self._number()
            self._out.append(publications.pack(topic, payload, told, qos=qos, retain=retain, mid=mid))
            acked = self._deliveries.expect(mid)
        else:
            self._out.append(front(topic, told, len(payload), retain) + payload)
        if self._reading:
            self._said = True
        else:
            self._flush()
        return acked

    def _flush(self) -> None:
        """Write what the socket takes now; the rest when it takes more."""
        self._flushing = False
        out, sock = self._out, self._sock
        if sock is None or self._over:
            return
        if out:
            data = out[0] if len(out) == 1 else b"".join(out)
            try:
                sent = sock.send(data)
            except _NOT_NOW:
                sent = 0
            except OSError as error:
                self._end(f"the connection was lost ({str(error).lower()})")
                return
            out.clear()
            self._spoke = True
            if sent < len(data):
                out.append(data[sent:])
        if out and not self._writing:
            self._loop.add_writer(sock, self._flush)
            self._writing = True
        elif self._writing and not out:
            self._loop.remove_writer(sock)
            self._writing = False

    # ------------------------------------------------------------ in

    async def receive(self) -> Message:
        """The next publication; for one task at a time, and before `listen`."""
        while not self._messages:
            if self._over:
                raise MqttError(self._reason())
            self._reader = self._loop.create_future()
            await self._reader
        return self._messages.popleft()

    async def listen(self, take: Callable[[Message], None]) -> NoReturn:
        """Hand every publication to `take`, in the very step of the loop that reads it: it must not wait. Raises what
        `take` raises, or MqttError."""
        while self._messages:
            take(self._messages.popleft())
        self._taker, self._failed = take, self._loop.create_future()
        try:
            await self._or_ended(self._failed)
        finally:
            self._taker = None
        raise AssertionError("a taker does not end by itself")

    def _readable(self) -> None:
        assert self._sock is not None
        self._reading = True
        try:
            while True:
                data = self._sock.recv(_READ)
                if not data:
                    raise ConnectionResetError("hung up")
                self._heard = True
                if not self._rest and (message := self._lone.read(data)) is not None:
                    self._hand(message)
                else:
                    packets, self._rest = publications.split(self._rest + data)
                    for first, body in packets:
                        self._take(first, body)
                if self._tls is None or not self._tls.pending():  # what TLS holds the selector does not tell of
                    break
        except _NOT_NOW:
            pass
        except (OSError, ValueError) as error:
            self._end(f"the connection was lost ({str(error).lower()})")
            return
        finally:
            self._reading = False
        if self._said:
            self._said = False
            self._flush()
        elif self._out and not self._flushing:  # after who takes the messages: the answer goes with it
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _take(self, first: int, body: bytes) -> None:
        """One packet from the broker. Raises ValueError for what is none."""
        if first & 0xF0 not in HANDLED:
            if not self._other(first, body):
                raise ValueError("the broker said what MQTT does not know")
        elif (message := self._deliveries.take(first, body, five=self._five)) is not None:
            self._hand(message)

    def _hand(self, message: Message) -> None:
        if self._taker is not None:
            try:
                self._taker(message)
            except Exception as error:
                self._taker = None
                self._failed.set_exception(error)
        elif len(self._messages) < _QUEUED:
            self._messages.append(message)
            self._wake_reader()
        else:
            self.dropped += 1

    def _wake_reader(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    # ------------------------------------------------------------ the end

    async def _or_ended(self, future: asyncio.Future[Any]) -> Any:
        await asyncio.wait((future, self._ended), return_when=asyncio.FIRST_COMPLETED)
        if future.done() and not future.cancelled():
            return future.result()
        raise MqttError(self._reason())

    def _reason(self) -> str:
        return self._ended.result() if self._over else "the connection was lost"
