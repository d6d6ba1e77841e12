"""The gRPC ingest: `mien.v1.Mien/Converse`, with the standard health and reflection services."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from cloud_bridge.errors import ListenError, SettingError
from cloud_bridge.ingest.base import Tls, loopback
from cloud_bridge.ingest.identity import Guard, Rejected, admit
from cloud_bridge.ingest.session import ApplicationFailed, Session, Sessions
from edge.wire import WireError, mien_pb2
from edge.wire.check import parse_uplink
from edge.wire.limits import MAX_BATCH, MAX_DOWNLINK

_SERVICE = "mien.v1.Mien"
_HELLO_S = 10.0  # a stream that says no hello in this time is closed
_STUCK_S = 20.0  # a device that does not read for so long is cut off
_GUARD_S = 5.0  # a revoked device is cut off after at most this long

_OPTIONS = [
    ("grpc.max_receive_message_length", MAX_BATCH),
    ("grpc.max_send_message_length", MAX_DOWNLINK),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.max_concurrent_streams", 16),  # of one connection
    ("grpc.so_reuseport", 0),  # a second bridge on the same port is an error, not a silent half of the devices
]


class Server:
    """A listening ingest; it ends when nobody refers to it. `port` is the one it got, where 0 was asked for."""

    def __init__(self, server: grpc.aio.Server, port: int, status: health.aio.HealthServicer) -> None:
        self.port = port
        self._server = server
        self._status = status

    async def stop(self, grace_s: float = 1.0) -> None:
        """Say "not serving", cut the streams after `grace_s`, and end. The sessions wait for their devices."""
        await self._status.enter_graceful_shutdown()
        await self._server.stop(grace_s)


async def serve(
    sessions: Sessions,
    address: str,
    *,
    tls: Tls | None = None,
    tokens: Mapping[str, str] | None = None,
    tenant: str = "default",
    insecure: bool = False,
    guard: Guard | None = None,
) -> Server:
    """Listen on `address` (`host:port`; port 0: any) and give each device to `sessions`.

    `tokens`: device → token (`*`: any device); without them and without client certificates everyone may speak.
    `guard` refuses revoked certificates; with it, a certificate that names a tenant decides over `tenant`.
    Without `tls` only loopback is listened on, unless `insecure` says that the network is trusted.
    Raises ListenError when the address cannot be had, SettingError when the TLS files cannot be used or are needed.
    """
    if tls is None and not insecure and not _loopback(address):
        raise SettingError(f"{address} is not this machine alone, and no TLS is set: give a certificate and a key")
    server = grpc.aio.server(options=_OPTIONS)
    status = health.aio.HealthServicer()
    handlers = {
        "Converse": grpc.stream_stream_rpc_method_handler(
            _Converse(sessions, tokens, tenant, guard).stream, response_serializer=mien_pb2.Downlink.SerializeToString
        )
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, handlers),))
    health_pb2_grpc.add_HealthServicer_to_server(status, server)
    reflection.enable_server_reflection((_SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    try:
        port = server.add_secure_port(address, _credentials(tls)) if tls else server.add_insecure_port(address)
    except RuntimeError as error:
        raise ListenError(f"cannot listen on {address}: the port is taken or the address is not ours") from error
    await server.start()
    for service in ("", _SERVICE):
        await status.set(service, health_pb2.HealthCheckResponse.SERVING)
    return Server(server, port, status)


class _Connection:
    """One stream of one device, as `session.Connection`."""

    batch_bytes = MAX_BATCH

    def __init__(self, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        self._context = context
        self._writing = asyncio.Lock()
        self.closed = asyncio.Event()
        self.reason = "the device does not read"

    async def send(self, downlink: mien_pb2.Downlink) -> None:
        """See `session.Connection`."""
        try:
            async with asyncio.timeout(_STUCK_S), self._writing:
                await self._context.write(downlink)
        except Exception as error:  # grpc raises classes of its own that it does not name
            self.closed.set()
            raise ConnectionError("the stream is gone or stuck") from error

    def close(self, reason: str) -> None:
        """See `session.Connection`."""
        self.reason = reason
        self.closed.set()


class _Converse:
    """The handler of the one method; requests come as raw bytes, so that bad ones can be counted."""

    def __init__(self, sessions: Sessions, tokens: Mapping[str, str] | None, tenant: str, guard: Guard | None) -> None:
        self._sessions = sessions
        self._tokens = tokens
        self._tenant = tenant
        self._guard = guard

    async def stream(
        self, requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext[bytes, mien_pb2.Downlink]
    ) -> None:
        """Serve one stream."""
        code, why = grpc.StatusCode.OK, ""
        try:
            why = await self._converse(requests, context)
            code = grpc.StatusCode.ABORTED if why else code
        except Rejected as error:
            self._sessions.counts["rejected"] += 1
            code, why = grpc.StatusCode.UNAUTHENTICATED, str(error)
        except WireError as error:
            self._sessions.counts["malformed"] += 1
            code, why = grpc.StatusCode.INVALID_ARGUMENT, str(error)
        except ApplicationFailed as error:
            code, why = grpc.StatusCode.INTERNAL, str(error)
        except TimeoutError:
            code, why = grpc.StatusCode.DEADLINE_EXCEEDED, f"no hello came in {_HELLO_S:.0f} s"
        if code is not grpc.StatusCode.OK:
            await context.abort(code, why)

    async def _converse(
        self,
        requests: AsyncIterator[bytes],
        context: grpc.aio.ServicerContext[bytes, mien_pb2.Downlink],
    ) -> str:
        """Serve until the device hangs up (returns "") or this end does (returns why)."""
        stream = aiter(requests)
        async with asyncio.timeout(_HELLO_S):
            first = parse_uplink(await anext(stream, b""))
        if first.WhichOneof("body") != "hello":
            raise WireError("the first packet must be a hello")
        shown = context.auth_context()
        admit(first.hello, [name.decode() for name in shown.get("x509_common_name", ())], self._tokens)
        tenant, serial = self._guarded(shown.get("x509_pem_cert", ()))
        connection = _Connection(context)
        session = await self._sessions.open(first.hello, tenant, connection)
        reading = asyncio.create_task(_read(stream, session), name=f"read {first.hello.device}")
        closing = asyncio.create_task(connection.closed.wait(), name="closed")
        try:
            while not (reading.done() or closing.done()):
                self._refuse(serial)
                await asyncio.wait((reading, closing), timeout=_GUARD_S, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                reading.result()
                return ""
            return connection.reason
        finally:
            session.cut(connection)
            for task in (reading, closing):
                task.cancel()
            await asyncio.gather(reading, closing, return_exceptions=True)

    def _guarded(self, certificates: Sequence[bytes]) -> tuple[str, int]:
        """(tenant, serial) of who shows these certificates; serial 0: none. Raises Rejected."""
        if self._guard is None or not certificates:
            return self._tenant, 0
        tenant, serial = self._guard.who(certificates[0])
        self._refuse(serial)
        return tenant or self._tenant, serial

    def _refuse(self, serial: int) -> None:
        if serial and self._guard is not None and (reason := self._guard.refuses(serial)) is not None:
            raise Rejected(reason)


async def _read(stream: AsyncIterator[bytes], session: Session) -> None:
    async for packet in stream:
        await session.take(parse_uplink(packet))


def _credentials(tls: Tls) -> grpc.ServerCredentials:
    try:
        pair = (Path(tls.key).read_bytes(), Path(tls.certificate).read_bytes())
        authority = Path(tls.client_ca).read_bytes() if tls.client_ca else None
    except OSError as error:
        raise SettingError(f"a TLS file cannot be read: {error}") from error
    return grpc.ssl_server_credentials([pair], authority, require_client_auth=authority is not None)


def _loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    return address.startswith("unix:") or loopback(host)
