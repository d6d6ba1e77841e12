"""One MQTT connection under asyncio, for both ends, in no thread of its own.

MQTT 5 is spoken where the broker does, else 3.1.1: without expiry, properties, will delay, aliases and reasons.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import Any

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge.wire import publications
from edge.wire.mqtt_engine import Engine, Will
from edge.wire.mqtt_flow import Flow, MqttError
from edge.wire.publications import Message

__all__ = ["Message", "Mqtt", "MqttError", "Will", "unheard"]

_UNACKED = 64  # QoS 1 and 2 messages on their way; the next publish waits
_NO_SUBSCRIBER = 0x10
_OTHER_VERSION = 0x84


class Mqtt(Flow):
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
        super().__init__()
        self._host, self._port, self._session_s, self._keepalive_s = host, port, session_s, keepalive_s
        self._client_id, self._account, self._context, self._will = client_id, (username, password), tls, will
        self._client = self._engine()
        self._connected: asyncio.Future[bool | None] = self._loop.create_future()
        self._subscribing: dict[int, asyncio.Future[list[ReasonCode]]] = {}
        self._misc: asyncio.Task[None] | None = None
        self.topic_aliases = 0  # that the broker takes from us

    @property
    def version(self) -> int:
        """5, or 4, as MQTT 3.1.1 calls itself."""
        return 5 if self._five else 4

    async def connect(self) -> bool:
        """Connect; whether the broker still had our session."""
        had_session = await self._connect()
        if had_session is None:
            self._end("speaks 3.1.1 only")
            self._five = False
            self._out.clear()
            self._client = self._engine()
            self._connected, self._ended = self._loop.create_future(), self._loop.create_future()
            self._over = False
            had_session = await self._connect()
        return bool(had_session)

    async def _connect(self) -> bool | None:
        """As `connect`; None where the broker does not speak this version."""
        more: dict[str, Any] = {}
        if self._five:
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
        self._begin_flow(sock)
        self._misc = asyncio.create_task(self._tick(), name="mqtt keepalive")
        self._flush()
        had_session: bool | None = await self._or_ended(self._connected)
        return had_session

    def _engine(self) -> Engine:
        client = Engine(
            self._client_id,
            self.version,
            self._out,
            account=self._account,
            tls=self._context,
            will=self._will,
            clean=self._session_s == 0,
        )
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        return client

    async def subscribe(self, *topics: str, qos: int = 1) -> None:
        """Raises MqttError when the broker refuses one. (It may grant what it then does not deliver.)"""
        options = SubscribeOptions(qos=qos) if self._five else qos
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
        if not self._over:
            self._client.unsubscribe(list(topics))
            self._flush()

    def give_up(self, reason: str) -> None:
        """Hang up without a goodbye: the broker tells our will. Every method raises MqttError with `reason` then."""
        self._end(reason)

    async def close(self) -> None:
        """Say goodbye and hang up. Idempotent; raises nothing."""
        if not self._over:
            with contextlib.suppress(Exception):
                self._client.disconnect()
                self._flush()
        self._end("closed")

    # ------------------------------------------------------------ the engine's callbacks, all on the loop

    def _on_connect(self, client: Any, userdata: Any, flags: Any, code: ReasonCode, properties: Any) -> None:
        if code.value == _OTHER_VERSION and self._five and not self._connected.done():
            self._connected.set_result(None)
            return
        if code.is_failure:
            self._end(f"refuses us: {str(code).lower()}")
            return
        self.topic_aliases = getattr(properties, "TopicAliasMaximum", 0)
        self._deliveries.most = min(_UNACKED, getattr(properties, "ReceiveMaximum", _UNACKED))
        if not self._connected.done():
            self._connected.set_result(flags.session_present)

    def _on_disconnect(self, client: Any, userdata: Any, flags: Any, code: ReasonCode, properties: Any) -> None:
        self._end(f"hung up: {str(code).lower()}")

    def _on_subscribe(self, client: Any, userdata: Any, mid: int, codes: list[ReasonCode], properties: Any) -> None:
        if (granted := self._subscribing.pop(mid, None)) is not None and not granted.done():
            granted.set_result(codes)

    # ------------------------------------------------------------ inside: what `Flow` asks for

    def _other(self, first: int, body: bytes) -> bool:
        return self._client.take(first, body)

    def _number(self) -> int:
        return self._client.number()

    async def _tick(self) -> None:
        while not self._over:
            await asyncio.sleep(1.0)
            alive = self._client.look(heard=self._heard, spoke=self._spoke)
            self._heard = self._spoke = False
            if not alive:
                self._end("the broker does not answer")
            self._flush()

    def _end(self, reason: str) -> None:
        if self._over:
            return
        self._end_flow(reason)
        if self._misc is not None:
            self._misc.cancel()
        self._connected.cancel()
        for granted in self._subscribing.values():
            granted.cancel()


def unheard(code: int) -> bool:
    """Whether this reason code of a publish says that nobody listens."""
    return code == _NO_SUBSCRIBER
