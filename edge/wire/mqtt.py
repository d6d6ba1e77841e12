"""One MQTT connection under asyncio, for both ends: on the loop's own readers and writers, in no thread of its own.

MQTT 5 is spoken where the broker does, else 3.1.1: without expiry, properties, will delay, aliases and reasons.

A publication leaves in the caller's own step of the loop, and the answer to a received one goes with what its taker
publishes: no round trip wakes the broker more often than it must.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections import deque
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge.wire import publications
from edge.wire.mqtt_engine import Engine, Will
from edge.wire.publications import Message

__all__ = ["Message", "Mqtt", "MqttError", "Will", "unheard"]

_UNACKED = 64  # QoS 1 and 2 messages on their way; the next publish waits
_QUEUED = 4_096  # received messages not yet taken
_NO_SUBSCRIBER = 0x10
_OTHER_VERSION = 0x84
_FAILURE = 0x80  # and all codes above
_ANSWERS = (publications.PUBACK, publications.PUBREC, publications.PUBREL, publications.PUBCOMP)


class MqttError(Exception):
    """The broker cannot be reached, refuses, or hung up. The message names the cause."""


class Mqtt:
    """One connection to the broker at `host:port`; raises MqttError from every method once it has ended.

    `session_s`: how long the broker keeps subscriptions and queues after a cut (0: a clean session each time).
    """

    def __init__(
        self,
        host: str,
        port: int,
        client_id: str,
        *,
        username: str = "",
        password: str = "",
        tls: ssl.SSLContext | None = None,
        will: Will | None = None,
        session_s: int = 0,
        keepalive_s: int = 20,
    ) -> None:
        self._host, self._port, self._session_s, self._keepalive_s = host, port, session_s, keepalive_s
        self._client_id, self._account, self._tls, self._will = client_id, (username, password), tls, will
        self.version = 5  # or 4, as MQTT 3.1.1 calls itself
        self._client = self._engine()
        self._loop = asyncio.get_running_loop()
        self._sock: socket.socket | None = None
        self._writing = self._flushing = False
        self._connected: asyncio.Future[bool | None] = self._loop.create_future()
        self._ended: asyncio.Future[str] = self._loop.create_future()
        self._unacked: dict[int, asyncio.Future[int]] = {}
        self._subscribing: dict[int, asyncio.Future[list[ReasonCode]]] = {}
        self._most = _UNACKED
        self._undone: set[int] = set()  # QoS 2 messages that were taken and not yet released by the broker
        self._room = asyncio.Event()
        self._room.set()
        self._misc: asyncio.Task[None] | None = None
        self._messages: deque[Message] = deque()
        self._reader: asyncio.Future[None] | None = None  # who waits for the next one
        self.dropped = 0  # received and not taken in time
        self.topic_aliases = 0  # that the broker takes from us

    async def connect(self) -> bool:
        """Connect; whether the broker still had our session."""
        had_session = await self._connect()
        if had_session is None:
            self._end("speaks 3.1.1 only")
            self.version = paho.MQTTv311
            self._client = self._engine()
            self._connected, self._ended = self._loop.create_future(), self._loop.create_future()
            had_session = await self._connect()
        return bool(had_session)

    async def _connect(self) -> bool | None:
        """As `connect`; None where the broker does not speak this version."""
        more: dict[str, Any] = {}
        if self.version == paho.MQTTv5:
            more = {"clean_start": self._session_s == 0, "properties": Properties(PacketTypes.CONNECT)}
            more["properties"].SessionExpiryInterval = self._session_s
            more["properties"].MaximumPacketSize = publications.MOST
        try:
            await asyncio.to_thread(  # looks the name up, connects and shakes hands
                self._client.connect,
                self._host,
                self._port,
                self._keepalive_s,
                **more,
            )
        except (OSError, ValueError) as error:
            raise MqttError(f"cannot be reached ({error})") from error
        sock = self._client.socket()
        if sock is None:
            raise MqttError("hung up at once")
        self._sock = sock
        self._loop.add_reader(sock, self._readable)
        self._misc = asyncio.create_task(self._tick(), name="mqtt keepalive")
        self._flush()
        had_session: bool | None = await self._or_ended(self._connected)
        return had_session

    def _engine(self) -> Engine:
        client = Engine(
            self._client_id,
            self.version,
            account=self._account,
            tls=self._tls,
            will=self._will,
            clean=self._session_s == 0,
        )
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        return client

    async def subscribe(self, *topics: str, qos: int = 1) -> None:
        """Raises MqttError when the broker refuses one. (It may grant what it then does not deliver.)"""
        options = SubscribeOptions(qos=qos) if self.version == paho.MQTTv5 else qos
        _, mid = self._client.subscribe([(topic, options) for topic in topics])
        if mid is None:
            raise MqttError(self._reason())
        granted: asyncio.Future[list[ReasonCode]] = self._loop.create_future()
        self._subscribing[mid] = granted
        self._flush()
        if any(code.is_failure for code in await self._or_ended(granted)):
            raise MqttError(f"the broker refuses to let us read {' or '.join(topics)}")

    def unsubscribe(self, *topics: str) -> None:
        """Ask for no more of these; does not wait for the broker."""
        if not self._ended.done():
            self._client.unsubscribe(list(topics))
            self._flush()

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
        while not self._room.is_set() and not self._ended.done():
            await self._or_ended(asyncio.ensure_future(self._room.wait()))
        if self._ended.done():
            raise MqttError(self._reason())
        told = publications.properties(response, correlation, expiry_s, alias) if self.version == paho.MQTTv5 else b""
        mid = self._client.number() if qos else 0
        self._client.out.append(publications.pack(topic, payload, told, qos=qos, retain=retain, mid=mid))
        self._flush()
        if not qos:
            return None
        acked: asyncio.Future[int] = self._loop.create_future()
        self._unacked[mid] = acked
        if len(self._unacked) >= self._most:
            self._room.clear()
        return acked

    async def receive(self) -> Message:
        """The next publication; for one task at a time."""
        while not self._messages:
            if self._ended.done():
                raise MqttError(self._reason())
            self._reader = self._loop.create_future()
            await self._reader
        return self._messages.popleft()

    def give_up(self, reason: str) -> None:
        """Hang up without a goodbye: the broker tells our will. Every method raises MqttError with `reason` then."""
        self._end(reason)

    async def close(self) -> None:
        """Say goodbye and hang up. Idempotent; raises nothing."""
        if not self._ended.done():
            with contextlib.suppress(Exception):
                self._client.disconnect()
                self._flush()
        self._end("closed")

    # ------------------------------------------------------------ the engine's callbacks, all on the loop

    def _on_connect(self, client: Any, userdata: Any, flags: Any, code: ReasonCode, properties: Any) -> None:
        if code.value == _OTHER_VERSION and self.version == paho.MQTTv5 and not self._connected.done():
            self._connected.set_result(None)
            return
        if code.is_failure:
            self._end(f"refuses us: {str(code).lower()}")
            return
        self.topic_aliases = getattr(properties, "TopicAliasMaximum", 0)
        self._most = min(_UNACKED, getattr(properties, "ReceiveMaximum", _UNACKED))
        if not self._connected.done():
            self._connected.set_result(flags.session_present)

    def _on_disconnect(self, client: Any, userdata: Any, flags: Any, code: ReasonCode, properties: Any) -> None:
        self._end(f"hung up: {str(code).lower()}")

    def _on_subscribe(self, client: Any, userdata: Any, mid: int, codes: list[ReasonCode], properties: Any) -> None:
        if (granted := self._subscribing.pop(mid, None)) is not None and not granted.done():
            granted.set_result(codes)

    # ------------------------------------------------------------ inside

    def _readable(self) -> None:
        try:
            while True:
                for first, body in self._client.read():
                    self._take(first, body)
                if not self._decrypted():
                    break
        except (OSError, ValueError) as error:
            self._end(f"the connection was lost ({str(error).lower()})")
            return
        if self._client.out and not self._flushing:  # after who takes the messages: the answer goes with it
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _take(self, first: int, body: bytes) -> None:
        """One packet from the broker. Raises ValueError for what is none."""
        kind = first & 0xF0
        if kind == publications.PUBLISH:
            message, qos, mid = publications.unpack(first, body, five=self.version == paho.MQTTv5)
            if qos < 2 or mid not in self._undone:
                self._keep(message)
            if qos == 1:
                self._client.out.append(publications.answer(publications.PUBACK, mid))
            elif qos:
                self._undone.add(mid)
                self._client.out.append(publications.answer(publications.PUBREC, mid))
        elif kind in _ANSWERS:
            mid, code = publications.answered(body)
            if kind == publications.PUBREL:
                self._undone.discard(mid)
                self._client.out.append(publications.answer(publications.PUBCOMP, mid))
            elif kind == publications.PUBREC and code < _FAILURE:
                self._client.out.append(publications.answer(publications.PUBREL, mid))
            else:
                self._settle(mid, code)
        elif not self._client.take(first, body):
            raise ValueError("the broker said what MQTT does not know")

    def _keep(self, message: Message) -> None:
        if len(self._messages) < _QUEUED:
            self._messages.append(message)
            self._wake_reader()
        else:
            self.dropped += 1

    def _settle(self, mid: int, code: int) -> None:
        """The broker is done with the publication `mid`."""
        if (acked := self._unacked.pop(mid, None)) is not None and not acked.done():
            acked.set_result(code)
        if len(self._unacked) < self._most:
            self._room.set()

    def _decrypted(self) -> bool:
        """Whether TLS holds bytes that the selector will not tell of."""
        return isinstance(self._sock, ssl.SSLSocket) and self._sock.pending() > 0

    def _flush(self) -> None:
        """Write what the socket takes now; the rest when it takes more."""
        self._flushing = False
        if self._sock is None or self._ended.done():
            return
        try:
            if self._client.out:
                self._client.write()
        except OSError as error:
            self._end(f"the connection was lost ({str(error).lower()})")
            return
        wants = bool(self._client.out)
        if wants and not self._writing:
            self._loop.add_writer(self._sock, self._flush)
        elif self._writing and not wants:
            self._loop.remove_writer(self._sock)
        self._writing = wants

    async def _tick(self) -> None:
        while not self._ended.done():
            await asyncio.sleep(1.0)
            if self._client.loop_misc() != MQTTErrorCode.MQTT_ERR_SUCCESS:
                self._end("the broker does not answer")
            self._flush()

    def _end(self, reason: str) -> None:
        if self._ended.done():
            return
        self._ended.set_result(reason)
        self._wake_reader()
        if self._misc is not None:
            self._misc.cancel()
        if self._sock is not None:
            with contextlib.suppress(OSError, ValueError):
                self._loop.remove_reader(self._sock)
                self._loop.remove_writer(self._sock)
            with contextlib.suppress(OSError):
                self._sock.close()
        waiting: list[asyncio.Future[Any]] = [*self._unacked.values(), *self._subscribing.values(), self._connected]
        for future in waiting:
            future.cancel()
        self._room.set()

    def _wake_reader(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def _or_ended(self, future: asyncio.Future[Any]) -> Any:
        await asyncio.wait((future, self._ended), return_when=asyncio.FIRST_COMPLETED)
        if future.done() and not future.cancelled():
            return future.result()
        raise MqttError(self._reason())

    def _reason(self) -> str:
        return self._ended.result() if self._ended.done() else "the connection was lost"


def unheard(code: int) -> bool:
    """Whether this reason code of a publish says that nobody listens."""
    return code == _NO_SUBSCRIBER
