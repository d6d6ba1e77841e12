"""MQTT 5, plain: `mqtt://[user:password@]host:port?tenant=…`. For a broker on this machine or a trusted network.

`?retain=state` also leaves the last state at the broker, as JSON, for integrators: it tells how a person is to
everyone who may read that topic, so it is off unless asked for. `?homeassistant=1` does that, too, and makes Home
Assistant show the device by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from typing import NoReturn
from urllib.parse import unquote, urlsplit

from edge.errors import ConfigError, TransportError, WireError
from edge.plugin import Uri
from edge.transports.base import CONNECT_S, TlsFiles
from edge.wire import mien_pb2, topics
from edge.wire.check import check_device, new_id, parse_downlink
from edge.wire.homeassistant import discovery, discovery_topic
from edge.wire.json_form import to_json
from edge.wire.mqtt import Message, Mqtt, MqttError, Will, unheard

_HELLO_S = 1.0  # a hello that nobody answered is said again
_WILL_DELAY_S = 5  # a device that is back so soon was never gone
_ENVELOPES = 1  # topic alias


async def connect(uri: Uri, hello: mien_pb2.Hello, *, tls: TlsFiles | None) -> MqttTransport:
    """See `edge.transports.base`. `tls` is not used."""
    return await open_link(uri, hello, None)


async def connect_tls(uri: Uri, hello: mien_pb2.Hello, *, tls: TlsFiles | None) -> MqttTransport:
    """As `connect`, over TLS, with the device's certificate where there is one."""
    files = tls or TlsFiles()
    try:
        context = ssl.create_default_context(cafile=files.ca)
        if files.certificate and files.key:
            context.load_cert_chain(files.certificate, files.key)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(f"the TLS files of the link cannot be used: {error}") from error
    return await open_link(uri, hello, context)


async def open_link(uri: Uri, hello: mien_pb2.Hello, tls: ssl.SSLContext | None) -> MqttTransport:
    """Connect to the broker, and through it to a bridge."""
    tenant = uri.query.get("tenant", "default")
    check_device(tenant)
    account = urlsplit(f"//{uri.text.partition('://')[2]}")
    broker = Mqtt(
        uri.host or "127.0.0.1",
        uri.port or (8_883 if tls else 1_883),
        hello.device,
        username=unquote(account.username or hello.device),
        password=unquote(account.password or hello.token),
        tls=tls,
        will=Will(topics.online(tenant, hello.device), b"0", _WILL_DELAY_S),
    )
    transport = MqttTransport(broker, uri, tenant, hello.device)
    try:
        async with asyncio.timeout(CONNECT_S):
            await transport.greet(hello)
    except TimeoutError as error:
        await transport.close()
        raise TransportError(
            f"{uri.shown}: the broker answers, but no bridge does: start one that is joined to this broker"
        ) from error
    except BaseException:
        await transport.close()
        raise
    return transport


class MqttTransport:
    """A conversation with a bridge through a broker, as `base.Transport`.

    Each hello draws a correlation number; what the bridge answers to an older hello carries another and is ignored.
    """

    def __init__(self, broker: Mqtt, uri: Uri, tenant: str, device: str) -> None:
        self.welcome = mien_pb2.Welcome()
        self._broker = broker
        self._uri = uri
        self._tenant, self._device = tenant, device
        self._link = new_id()
        self._correlation = self._link.to_bytes(8, "big")
        self._shows = uri.query.get("homeassistant") == "1"
        self._retain = uri.query.get("retain") == "state" or self._shows
        self._topics = {body: topics.up(tenant, device, body) for body in ("hello", "env", "cancel", "received")}
        self._alias_told = False

    async def greet(self, hello: mien_pb2.Hello) -> None:
        """Connect, say hello until a bridge answers, and take its Welcome."""
        try:
            await self._broker.connect()
            await self._broker.subscribe(topics.down(self._tenant, self._device))
            await self._broker.publish(topics.online(self._tenant, self._device), b"1", qos=1, retain=True)
            if self._shows:
                told = discovery(self._tenant, self._device, hello.software).encode()
                await self._broker.publish(discovery_topic(self._tenant, self._device), told, qos=1, retain=True)
            while True:
                await self._hello(hello)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_HELLO_S):
                        first = await self._next()
                        break
        except MqttError as error:
            raise self._lost(error) from error
        if first.WhichOneof("body") == "refused":
            raise TransportError(f"{self._uri.shown}: the bridge refuses this device: {first.refused.reason}")
        if first.WhichOneof("body") != "welcome":
            raise TransportError(f"{self._uri.shown}: the bridge does not speak this contract: update one of the two")
        self.welcome = first.welcome

    async def send(self, uplink: mien_pb2.Uplink) -> None:
        """See `base.Transport`. LOW goes by QoS 0, everything else by QoS 1: within a priority the order is kept."""
        body = uplink.WhichOneof("body")
        try:
            if body != "envelope":
                await self._publish(self._topics[str(body)], uplink, qos=1)
                return
            envelope = uplink.envelope
            topic, alias = self._topics["env"], 0
            if self._broker.topic_aliases >= _ENVELOPES:
                topic, alias = "" if self._alias_told else topic, _ENVELOPES
                self._alias_told = True
            expiry_s = -(-envelope.ttl_ms // 1_000) or None
            qos = 0 if envelope.priority == mien_pb2.LOW else 1
            heard = await self._publish(topic, uplink, qos=qos, expiry_s=expiry_s, alias=alias)
            if heard is not None:
                heard.add_done_callback(self._look_whether_heard)
            if self._retain and envelope.kind == mien_pb2.STATE:
                told = to_json(envelope).encode()
                where = topics.state(self._tenant, self._device)
                await self._broker.publish(where, told, qos=0, retain=True, expiry_s=expiry_s)
        except MqttError as error:
            raise self._lost(error) from error

    async def receive(self, take: Callable[[mien_pb2.Downlink], None]) -> NoReturn:
        """See `base.Transport`."""

        def came(message: Message) -> None:
            if (downlink := self._for_us(message)) is None:
                return
            if downlink.HasField("missing") and not downlink.missing.seq:
                raise TransportError(f"{self._uri.shown}: the bridge has begun anew and asks for a hello")
            if downlink.HasField("refused") and not downlink.refused.seq:
                raise TransportError(f"{self._uri.shown}: the bridge refuses this device: {downlink.refused.reason}")
            take(downlink)

        try:
            await self._broker.listen(came)
        except MqttError as error:
            raise self._lost(error) from error

    async def close(self) -> None:
        """See `base.Transport`."""
        with contextlib.suppress(MqttError):
            await self._broker.publish(topics.online(self._tenant, self._device), b"0", qos=0, retain=True)
        await self._broker.close()

    def _look_whether_heard(self, heard: asyncio.Future[int]) -> None:
        """The bridge that we spoke to is gone: another one may be there."""
        if not heard.cancelled() and unheard(heard.result()):
            self._broker.give_up("says that no bridge listens any more")

    async def _hello(self, hello: mien_pb2.Hello) -> None:
        packet = mien_pb2.Uplink(hello=hello)
        heard = await self._publish(self._topics["hello"], packet, qos=1, expiry_s=round(CONNECT_S))
        if heard is not None:
            await asyncio.wait((heard,), timeout=_HELLO_S)
            if heard.done() and not heard.cancelled() and heard.result() >= 0x80:
                raise TransportError(f"{self._uri.shown}: the broker does not let '{self._device}' write its topics")
            if heard.done() and not heard.cancelled() and unheard(heard.result()):
                await asyncio.sleep(_HELLO_S / 4)  # no bridge is joined to the broker yet

    async def _publish(
        self, topic: str, uplink: mien_pb2.Uplink, *, qos: int, expiry_s: int | None = None, alias: int = 0
    ) -> asyncio.Future[int] | None:
        if self._broker.version < 5:
            uplink.link = self._link
        return await self._broker.publish(
            topic,
            uplink.SerializeToString(),
            qos=qos,
            response=topics.down(self._tenant, self._device) if uplink.HasField("hello") else "",
            correlation=self._correlation,
            expiry_s=expiry_s,
            alias=alias,
        )

    async def _next(self) -> mien_pb2.Downlink:
        while (downlink := self._for_us(await self._broker.receive())) is None:
            pass
        return downlink

    def _for_us(self, message: Message) -> mien_pb2.Downlink | None:
        """What the bridge says to this hello; None for what it said to an older one, and for what is no packet."""
        if message.correlation in {self._correlation, b""}:
            with contextlib.suppress(WireError):
                downlink = parse_downlink(message.payload)
                if message.correlation or downlink.link == self._link:
                    return downlink
        return None

    def _lost(self, error: MqttError) -> TransportError:
        return TransportError(f"{self._uri.shown}: the broker {error}: look at host, port, account and certificate")
