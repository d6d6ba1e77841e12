"""One MQTT connection under asyncio, for both ends: paho's protocol engine on the loop's own readers and writers.

MQTT 5 is spoken where the broker does, else 3.1.1: without expiry, properties, will delay, aliases and reasons.

No thread of paho's runs, so no callback comes at an odd moment, and TCP_NODELAY is set: without it a QoS 1 answer
takes 90 ms on loopback instead of 0.4 (Nagle's algorithm against delayed acknowledgements).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections import deque
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

_UNACKED = 64  # QoS 1 and 2 messages on their way; the next publish waits
_READ = 65_536  # bytes asked of the socket at once
_QUEUED = 4_096  # received messages not yet taken
_NO_SUBSCRIBER = 0x10
_OTHER_VERSION = 0x84


class MqttError(Exception):
    """The broker cannot be reached, refuses, or hung up. The message names the cause."""


@dataclass(frozen=True, slots=True)
class Message:
    """A received publication. `correlation` and `response` are empty where it has none."""

    topic: str
    payload: bytes
    response: str
    correlation: bytes
    retained: bool


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker says of us, retained, `delay_s` after we went without a word."""

    topic: str
    payload: bytes
    delay_s: int


class _Engine(paho.Client):  # type: ignore[misc]  # paho has no types
    """Paho's engine; it reads each packet in three pieces, here from a buffer instead of by three system calls."""

    ahead = b""

    def _sock_recv(self, bufsize: int) -> bytes:
        if not self.ahead:
            self.ahead = super()._sock_recv(_READ)
        found, self.ahead = self.ahead[:bufsize], self.ahead[bufsize:]
        return found


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
        self._writing = False
        self._connected: asyncio.Future[bool | None] = self._loop.create_future()
        self._ended: asyncio.Future[str] = self._loop.create_future()
        self._unacked: dict[int, asyncio.Future[int]] = {}
        self._subscribing: dict[int, asyncio.Future[list[ReasonCode]]] = {}
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

    def _engine(self) -> _Engine:
        five = self.version == paho.MQTTv5
        clean = None if five else self._session_s == 0
        client = _Engine(CallbackAPIVersion.VERSION2, self._client_id, clean, protocol=self.version)
        username, password = self._account
        if username:
            client.username_pw_set(username, password or None)
        if self._tls is not None:
            client.tls_set_context(self._tls)
        if (will := self._will) is not None:
            properties = None
            if five:
                properties = Properties(PacketTypes.WILLMESSAGE)
                properties.WillDelayInterval = will.delay_s
            client.will_set(will.topic, will.payload, qos=1, retain=True, properties=properties)
        client.max_inflight_messages_set(_UNACKED)
        client.on_socket_open = self._on_socket_open
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_message = self._on_message
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
        wanted = {
            "ResponseTopic": response,
            "CorrelationData": correlation,
            "MessageExpiryInterval": expiry_s,
            "TopicAlias": alias,
        }
        properties = None
        if self.version == paho.MQTTv5 and any(wanted.values()):  # making them costs more than all the rest
            properties = Properties(PacketTypes.PUBLISH)
            for name, value in wanted.items():
                if value:
                    setattr(properties, name, value)
        info = self._client.publish(topic, payload, qos, retain, properties)
        self._flush()
        if not qos:
            return None
        acked: asyncio.Future[int] = self._loop.create_future()
        self._unacked[info.mid] = acked
        if len(self._unacked) >= _UNACKED:
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

    async def close(self) -> None:
        """Say goodbye and hang up. Idempotent; raises nothing."""
        if not self._ended.done():
            with contextlib.suppress(Exception):
                self._client.disconnect()
                self._flush()
        self._end("closed")

    # ------------------------------------------------------------ the engine's callbacks, all on the loop

    def _on_socket_open(self, client: Any, userdata: Any, sock: socket.socket) -> None:
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _on_connect(self, client: Any, userdata: Any, flags: Any, code: ReasonCode, properties: Any) -> None:
        if code.value == _OTHER_VERSION and self.version == paho.MQTTv5 and not self._connected.done():
            self._connected.set_result(None)
            return
        if code.is_failure:
            self._end(f"refuses us: {str(code).lower()}")
            return
        self.topic_aliases = getattr(properties, "TopicAliasMaximum", 0)
        if not self._connected.done():
            self._connected.set_result(flags.session_present)

    def _on_disconnect(self, client: Any, userdata: Any, flags: Any, code: ReasonCode, properties: Any) -> None:
        self._end(f"hung up: {str(code).lower()}")

    def _on_subscribe(self, client: Any, userdata: Any, mid: int, codes: list[ReasonCode], properties: Any) -> None:
        if (granted := self._subscribing.pop(mid, None)) is not None and not granted.done():
            granted.set_result(codes)

    def _on_publish(self, client: Any, userdata: Any, mid: int, code: ReasonCode, properties: Any) -> None:
        if (acked := self._unacked.pop(mid, None)) is not None and not acked.done():
            acked.set_result(code.value)
        if len(self._unacked) < _UNACKED:
            self._room.set()

    def _on_message(self, client: Any, userdata: Any, message: paho.MQTTMessage) -> None:
        properties = message.properties
        found = Message(
            message.topic,
            bytes(message.payload),
            getattr(properties, "ResponseTopic", ""),
            getattr(properties, "CorrelationData", b""),
            message.retain,
        )
        if len(self._messages) < _QUEUED:
            self._messages.append(found)
            self._wake_reader()
        else:
            self.dropped += 1

    # ------------------------------------------------------------ inside

    def _readable(self) -> None:
        code = self._client.loop_read()
        while code == MQTTErrorCode.MQTT_ERR_SUCCESS and (self._client.ahead or self._decrypted()):
            code = self._client.loop_read()
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._end(f"the connection was lost ({paho.error_string(code).rstrip('.').lower()})")
            return
        self._flush()

    def _decrypted(self) -> bool:
        """Whether TLS holds bytes that the selector will not tell of."""
        return isinstance(self._sock, ssl.SSLSocket) and self._sock.pending() > 0

    def _flush(self) -> None:
        """Write what the socket takes now; the rest when it takes more."""
        if self._sock is None or self._ended.done():
            return
        if self._client.want_write():
            self._client.loop_write()
        wants = self._client.want_write()
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
