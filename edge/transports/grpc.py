"""gRPC, plain: `grpc://host:port`. For this machine or a network that is trusted."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Any, NoReturn

import grpc

from edge.errors import TransportError
from edge.plugin import Uri
from edge.transports.base import CONNECT_S, TlsFiles
from edge.wire import mien_pb2
from edge.wire.check import CONVERSE, parse_downlink
from edge.wire.limits import MAX_BATCH, MAX_DOWNLINK

DEFAULT_PORT = 50_051

_OPTIONS = [
    ("grpc.max_send_message_length", MAX_BATCH),
    ("grpc.max_receive_message_length", MAX_DOWNLINK),
    ("grpc.keepalive_time_ms", 15_000),  # finds a peer that died without a word
    ("grpc.keepalive_timeout_ms", 8_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.enable_retries", 0),  # the uplink decides when to try again
    ("grpc.use_local_subchannel_pool", 1),  # a new connection is really new
    ("grpc.service_config", json.dumps({"loadBalancingConfig": [{"pick_first": {}}]})),
]


async def connect(uri: Uri, hello: mien_pb2.Hello, *, tls: TlsFiles | None) -> GrpcTransport:
    """See `edge.transports.base`. `tls` is not used."""
    return await open_stream(grpc.aio.insecure_channel(_target(uri), options=_OPTIONS), uri, hello)


async def connect_tls(uri: Uri, hello: mien_pb2.Hello, *, tls: TlsFiles | None) -> GrpcTransport:
    """As `connect`, over TLS; `?name=` in the URI : the name in the certificate where it is not the host."""
    files = tls or TlsFiles()
    credentials = grpc.ssl_channel_credentials(files.read("ca"), files.read("key"), files.read("certificate"))
    options: list[tuple[str, Any]] = list(_OPTIONS)
    if name := uri.query.get("name"):
        options.append(("grpc.ssl_target_name_override", name))
    return await open_stream(grpc.aio.secure_channel(_target(uri), credentials, options=options), uri, hello)


async def open_stream(channel: grpc.aio.Channel, uri: Uri, hello: mien_pb2.Hello) -> GrpcTransport:
    """Open the stream, say hello and wait for the Welcome; the channel is closed when that fails."""
    call = channel.stream_stream(CONVERSE, request_serializer=mien_pb2.Uplink.SerializeToString)()
    transport = GrpcTransport(channel, call, uri)
    try:
        async with asyncio.timeout(CONNECT_S):
            await transport.send(mien_pb2.Uplink(hello=hello))
            first = await transport.next()
    except TimeoutError as error:
        await transport.close()
        raise TransportError(f"{uri.shown}: no bridge answers there (no welcome in {CONNECT_S:.0f} s)") from error
    except BaseException:
        await transport.close()
        raise
    if first.WhichOneof("body") != "welcome":
        await transport.close()
        raise TransportError(f"{uri.shown}: what answers there does not speak this contract: update device or bridge")
    transport.welcome = first.welcome
    return transport


class GrpcTransport:
    """One `Converse` stream, as `base.Transport`."""

    def __init__(self, channel: grpc.aio.Channel, call: Any, uri: Uri) -> None:
        self.welcome = mien_pb2.Welcome()
        self._channel = channel
        self._call = call
        self._uri = uri

    async def send(self, uplink: mien_pb2.Uplink) -> None:
        """See `base.Transport`."""
        try:
            await self._call.write(uplink)
        except (grpc.RpcError, asyncio.InvalidStateError, grpc.aio.UsageError) as error:
            raise await self._why(error) from error

    async def receive(self, take: Callable[[mien_pb2.Downlink], None]) -> NoReturn:
        """See `base.Transport`."""
        while True:
            take(await self.next())

    async def next(self) -> mien_pb2.Downlink:
        """The next packet from the bridge; before `receive`."""
        try:
            packet = await self._call.read()
        except (grpc.RpcError, asyncio.InvalidStateError, grpc.aio.UsageError) as error:
            raise await self._why(error) from error
        if packet is grpc.aio.EOF:
            raise TransportError(f"{self._uri.shown}: the bridge ended the stream")
        return parse_downlink(packet)

    async def close(self) -> None:
        """See `base.Transport`."""
        self._call.cancel()
        with contextlib.suppress(Exception):
            await self._channel.close()

    async def _why(self, error: BaseException) -> TransportError:
        """The cause in words, with the mend where we know one."""
        text = self._uri.shown
        code, details = grpc.StatusCode.UNKNOWN, str(error)
        if isinstance(error, grpc.RpcError) or self._call.done():
            with contextlib.suppress(Exception):
                code, details = await self._call.code(), await self._call.details() or ""
        if code is grpc.StatusCode.UNAUTHENTICATED:
            return TransportError(f"{text}: the bridge refuses this device: {details}")
        if code is grpc.StatusCode.UNAVAILABLE:
            return TransportError(f"{text}: cannot be reached: start the bridge there, or check host, port and TLS")
        return TransportError(f"{text}: the stream broke ({code.name.lower()}: {details[:200]})")


def _target(uri: Uri) -> str:
    host = f"[{uri.host}]" if ":" in uri.host else uri.host or "127.0.0.1"
    return f"{host}:{uri.port or DEFAULT_PORT}"
