"""The MQTT ingest: joins a broker, and gives each device that says hello there to the sessions.

Who a device is, the broker must make sure of (deploy/mosquitto): the topic names it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NoReturn

from cloud_bridge.ending import end
from cloud_bridge.errors import SettingError
from cloud_bridge.ingest.base import Claims
from cloud_bridge.ingest.identity import Guard, Rejected, admit
from cloud_bridge.ingest.mqtt_remote import Remote, begin_anew
from cloud_bridge.ingest.session import Session
from cloud_bridge.ingest.sessions import Sessions
from edge.wire import WireError, mien_pb2, topics
from edge.wire.backoff import Backoff
from edge.wire.check import parse_uplink
from edge.wire.limits import MAX_UPLINK
from edge.wire.mqtt import Message, Mqtt, MqttError

log = logging.getLogger(__name__)

_CONNECT_S = 10.0
_SESSION_S = 60  # the broker queues for a bridge that is away so long
_POSTED = 16_384  # acknowledgements that wait for the broker


@dataclass(frozen=True, slots=True)
class Broker:
    """Where and as whom to join. `name` is the MQTT client id: one per bridge."""

    host: str = "127.0.0.1"
    port: int = 1_883
    name: str = "mien-bridge"
    username: str = ""
    password: str = ""
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    tls: bool = False


class Server:
    """An ingest that keeps itself joined. `reason` tells why it is not, or None."""

    def __init__(
        self,
        sessions: Sessions,
        broker: Broker,
        tokens: Mapping[str, str] | None,
        guard: Guard | None,
        claims: Claims | None,
    ) -> None:
        self.reason: str | None = "not joined yet"
        self.joined = asyncio.Event()
        self._sessions = sessions
        self._broker = broker
        self._tls = _context(broker) if broker.tls else None
        self._tokens = tokens
        self._guard = guard
        self._claims = claims
        self._devices: dict[tuple[str, str], Remote] = {}
        self._posted: deque[tuple[Remote, mien_pb2.Downlink]] = deque()
        self._posting: asyncio.Task[None] | None = None
        self._task = asyncio.create_task(self._run(), name="mqtt ingest")

    async def stop(self) -> None:
        """Leave the broker and end."""
        await end([self._task])
        for remote in list(self._devices.values()):
            remote.close("the bridge ends")
        if self._posting is not None:
            await end([self._posting])

    async def _run(self) -> None:
        backoff = Backoff()
        while True:
            began_s = asyncio.get_running_loop().time()
            joined = False
            try:
                await self._serve()
            except (MqttError, TimeoutError) as error:
                self.reason = f"the broker at {self._broker.host}:{self._broker.port} {error or 'does not answer'}"
                joined = self.joined.is_set()
                log.warning("%s; trying again", self.reason)
            except Exception as error:  # its message may hold words
                self.reason = f"the ingest failed: {type(error).__name__}"
                log.error(self.reason)
            self.joined.clear()
            lasted_s = asyncio.get_running_loop().time() - began_s if joined else 0.0
            await asyncio.sleep(backoff.next_s(lasted_s))

    async def _serve(self) -> NoReturn:
        b = self._broker
        session_s = 0 if self._claims else _SESSION_S  # who shares takes no devices along: others are there for them
        mqtt = Mqtt(
            b.host, b.port, b.name, username=b.username, password=b.password, tls=self._tls, session_s=session_s
        )
        try:
            async with asyncio.timeout(_CONNECT_S):
                await mqtt.connect()
                await mqtt.subscribe(*(topics.SHARED if self._claims else topics.UPLINKS))
            for remote in list(self._devices.values()):
                remote.join(mqtt)
                if self._claims:
                    remote.close("the broker was away")
            self.reason = None
            self.joined.set()
            await mqtt.listen(partial(self._take, mqtt))
        finally:
            await mqtt.close()

    def _take(self, mqtt: Mqtt, message: Message) -> None:
        counts = self._sessions.counts
        try:
            tenant, device, leaf = topics.parse_up(message.topic)
            if leaf == "online":
                # In a fleet a device that is there anew says hello to whichever bridge: the one before lets go of it.
                ends = not message.retained if self._claims else message.payload != b"1"
                if ends and (gone := self._devices.get((tenant, device))) is not None:
                    gone.close("the device is gone, or begins anew")
                return
            if len(message.payload) > MAX_UPLINK:
                raise WireError("a packet is larger than the contract allows")
            uplink = parse_uplink(message.payload)
        except WireError:
            counts["malformed"] += 1
            return
        remote = self._devices.get((tenant, device))
        correlation = message.correlation or uplink.link.to_bytes(8, "big")
        if uplink.WhichOneof("body") == "hello":
            if remote is not None and remote.correlation == correlation:
                return  # said again before our answer came
            remote = Remote(self, mqtt, tenant, device, correlation, by_link=not message.correlation)
            if (old := self._devices.get((tenant, device))) is not None:
                old.close("a newer hello")
            self._devices[tenant, device] = remote
            remote.begin(uplink.hello)
        elif remote is None or remote.correlation != correlation:
            counts["without_hello"] += 1
            if remote is None and not self._claims:
                again = Remote(self, mqtt, tenant, device, correlation, by_link=not message.correlation)
                self.post(again, begin_anew())
        else:
            remote.put(uplink)

    async def open(self, remote: Remote, hello: mien_pb2.Hello) -> Session:
        """Admit a device and open its session. Raises Rejected."""
        if hello.device != remote.device:
            raise Rejected("the hello names another device than its topic")
        admit(hello, (), self._tokens, remote.tenant)
        self.check(remote)
        if self._claims is not None:
            await remote.mqtt.subscribe(*topics.ups(remote.tenant, remote.device))
        return await self._sessions.open(hello, remote.tenant, remote)

    async def may_serve(self, remote: Remote) -> bool:
        """Whether no other bridge serves this hello. Raises NotNow."""
        who = f"{remote.tenant}/{remote.device}"
        return self._claims is None or await self._claims.claim(who, remote.correlation)

    def check(self, remote: Remote) -> None:
        """Raises Rejected once the device was revoked, even where the broker still lets it in."""
        if self._guard and (reason := self._guard.refuses_device(remote.tenant, remote.device)) is not None:
            raise Rejected(reason)

    def post(self, remote: Remote, downlink: mien_pb2.Downlink) -> None:
        """Send `downlink`, now or when the broker takes more: one task does so for all devices. Dropped where too many
        wait: the device sends again what is not acknowledged."""
        if self.joined.is_set() and not self._posted and remote.send_now(downlink):
            return
        if len(self._posted) >= _POSTED:
            self.count("posts_dropped")
            return
        self._posted.append((remote, downlink))
        if self._posting is None or self._posting.done():
            self._posting = asyncio.create_task(self._post(), name="mqtt post")

    async def _post(self) -> None:
        while self._posted:
            remote, downlink = self._posted.popleft()
            if remote.alive:
                with contextlib.suppress(ConnectionError):  # the device sends again what is not acknowledged
                    await remote.send(downlink)

    def forget(self, remote: Remote) -> None:
        """Called by a conversation that ended."""
        if self._devices.get((remote.tenant, remote.device)) is remote:
            del self._devices[remote.tenant, remote.device]
            if self._claims is not None:
                remote.mqtt.unsubscribe(*topics.ups(remote.tenant, remote.device))

    def count(self, what: str) -> None:
        """Count something that happened."""
        self._sessions.counts[what] += 1


async def serve(
    sessions: Sessions,
    broker: Broker,
    *,
    tokens: Mapping[str, str] | None = None,
    guard: Guard | None = None,
    claims: Claims | None = None,
) -> Server:
    """Join `broker`, now or as soon as it can be reached, and stay. Raises SettingError for unusable TLS files.

    With `claims` other bridges may be at the same broker, which gives each hello to one of them (a shared
    subscription); that one subscribes to the device's topics until the device says hello anew, here or there. Their
    record must be shared, too.
    """
    return Server(sessions, broker, tokens, guard, claims)


def _context(broker: Broker) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=broker.ca)
        if broker.certificate and broker.key:
            context.load_cert_chain(broker.certificate, broker.key)
    except OSError as error:
        raise SettingError(f"the TLS files for the broker cannot be used: {error}") from error
    return context
