"""The gRPC ingest: `mien.v1.Mien/Converse`, with the standard health and reflection services."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any

import grpc

from cloud_bridge.errors import ListenError, SettingError
from cloud_bridge.ingest.base import Tls
from cloud_bridge.ingest.call import Call, Failed
from cloud_bridge.ingest.http2 import STUCK_S, Http2
from cloud_bridge.ingest.identity import Guard, Rejected, admit
from cloud_bridge.ingest.session import ApplicationFailed
from cloud_bridge.ingest.sessions import Sessions
from cloud_bridge.ingest.standard import Handler, standard
from edge.wire import WireError, mien_pb2
from edge.wire.check import CONVERSE, parse_uplink
from edge.wire.clear import loopback
from edge.wire.limits import MAX_BATCH

log = logging.getLogger(__name__)

_HELLO_S = 10.0  # a stream that says no hello in this time is closed
_GUARD_S = 5.0  # connections are looked at so often: a revoked device is cut off after at most this long
_HANDSHAKE_S = 10.0
_LAST_PORT = 65_535
_BACKLOG = 1_024  # a fleet comes back at once
MOST = 16_384  # connections; one more is closed at once
MOST_STRANGERS = 2_048  # connections of which nobody was admitted yet; one more, and the oldest is closed


class Server:
    """A listening ingest. `port` is the one it got, where 0 was asked for. `counts` go to those of the sessions."""

    def __init__(self, sessions: Sessions, handlers: Mapping[str, Handler], look: Callable[[], None]) -> None:
        self.port = 0
        self._sessions, self._handlers, self._check = sessions, handlers, look
        self._connections: set[Http2] = set()
        self._strangers: dict[Http2, None] = {}  # oldest first
        self._listening: asyncio.Server | None = None
        self._looking: asyncio.Task[None] | None = None

    async def listen(self, address: str, tls: ssl.SSLContext | None) -> None:
        """Begin. Raises ListenError."""
        loop = asyncio.get_running_loop()
        more: dict[str, Any] = {"ssl": tls, "backlog": _BACKLOG}
        if tls is not None:
            more["ssl_handshake_timeout"] = _HANDSHAKE_S
        host, _, port = address.rpartition(":")
        host = host.strip("[]")
        try:
            if address.startswith("unix:"):
                path = address.removeprefix("unix:").removeprefix("//")
                self._listening = await loop.create_unix_server(self._connection, path, **more)
            else:
                where = None if host in ("", "::") else "127.0.0.1" if (host, port) == ("localhost", "0") else host
                if not 0 <= int(port) <= _LAST_PORT:  # uvloop would take another one in silence
                    raise OverflowError(port)
                self._listening = await loop.create_server(self._connection, where, int(port), **more)
                self.port = self._listening.sockets[0].getsockname()[1]
        except (OSError, ValueError, OverflowError) as error:
            raise ListenError(f"cannot listen on {address}: the port is taken or the address is not ours") from error
        self._looking = asyncio.create_task(self._look(), name="grpc connections")

    async def stop(self, grace_s: float = 1.0) -> None:
        """Hang up on everyone, `grace_s` for calls to end well. The sessions wait for their devices."""
        if self._listening is not None:
            self._listening.close()
        if self._looking is not None:
            self._looking.cancel()
        why = Failed(grpc.StatusCode.UNAVAILABLE, "the bridge ends")
        for connection in self._connections:
            connection.stop(why)
        await asyncio.gather(*(one.finished(max(grace_s, 0.1)) for one in list(self._connections)))

    def _connection(self) -> Http2:
        return Http2(self)

    def opened(self, connection: Http2) -> None:
        """See `http2.Connections`."""
        self._connections.add(connection)
        self._strangers[connection] = None
        if len(self._connections) > MOST:
            self._sessions.counts["connections_refused"] += 1
            connection.close()
        elif len(self._strangers) > MOST_STRANGERS:
            self._sessions.counts["strangers_closed"] += 1
            oldest = next(iter(self._strangers))
            del self._strangers[oldest]
            oldest.close()

    def admitted(self, connection: Http2) -> None:
        """See `http2.Connections`."""
        self._strangers.pop(connection, None)

    def closed(self, connection: Http2) -> None:
        """See `http2.Connections`."""
        self._connections.discard(connection)
        self._strangers.pop(connection, None)

    async def serve(self, call: Call) -> None:
        """See `http2.Connections`."""
        handler = self._handlers.get(call.path)
        if handler is None:
            raise Failed(grpc.StatusCode.UNIMPLEMENTED, f"there is no {call.path[:80]} here")
        await handler(call)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(_GUARD_S)
            try:
                now_s = time.monotonic()
                for connection in list(self._connections):
                    connection.look(now_s)
                self._check()
            except Exception as error:  # a guard of any kind: it is asked again
                log.error("the connections could not be looked at: %s", type(error).__name__)


async def serve(
    sessions: Sessions,
    address: str,
    *,
    tls: Tls | None = None,
    tokens: Mapping[str, str] | None = None,
    tenant: str = "default",
    guard: Guard | None = None,
) -> Server:
    """Listen on `address` (`host:port`; port 0: any) and give each device to `sessions`.

    `tokens`: device → token (`*`: any device); without them and without client certificates everyone may speak.
    `guard` refuses revoked certificates; with it, a certificate that names a tenant decides over `tenant`.
    Without `tls`, or where everyone may speak, only loopback is listened on.
    Raises ListenError when the address cannot be had, SettingError when the TLS files cannot be used or are needed.
    """
    if not _loopback(address):
        if tls is None:
            raise SettingError(f"{address} is not this machine alone, and no TLS is set: give a certificate and a key")
        if tokens is None and not tls.client_ca:
            raise SettingError(
                f"{address} is not this machine alone, and anybody could speak there as any device: give --token-file, "
                "--tls-client-ca, or --enroll without a certificate of your own"
            )
    service = CONVERSE.strip("/").partition("/")[0]
    converse = _Converse(sessions, tokens, tenant, guard)
    server = Server(sessions, {CONVERSE: converse.serve, **standard(service)}, converse.look)
    await server.listen(address, _context(tls) if tls else None)
    return server


class _Connection:
    """One stream of one device, as `session.Connection`."""

    batch_bytes = MAX_BATCH

    def __init__(self, call: Call) -> None:
        self.alive = True
        self._call = call

    def post(self, downlink: mien_pb2.Downlink) -> None:
        """See `session.Connection`."""
        self._call.write(downlink.SerializeToString())

    async def send(self, downlink: mien_pb2.Downlink) -> None:
        """See `session.Connection`."""
        self.post(downlink)
        if self._call.out:
            try:
                async with asyncio.timeout(STUCK_S):
                    await self._call.drain()
            except TimeoutError as error:
                self.close("the device does not read")
                raise ConnectionError("the stream is stuck") from error

    def close(self, reason: str) -> None:
        """See `session.Connection`."""
        self.alive = False
        self._call.stop(Failed(grpc.StatusCode.ABORTED, reason))


class _Converse:
    """The handler of the one method."""

    def __init__(self, sessions: Sessions, tokens: Mapping[str, str] | None, tenant: str, guard: Guard | None) -> None:
        self._sessions = sessions
        self._tokens = tokens
        self._tenant = tenant
        self._guard = guard
        self._watched: dict[Call, int] = {}  # and the serial of the certificate that it was admitted with

    async def serve(self, call: Call) -> None:
        """Serve one stream."""
        counts = self._sessions.counts
        try:
            await self._converse(call)
        except Rejected as error:
            counts["rejected"] += 1
            raise Failed(grpc.StatusCode.UNAUTHENTICATED, str(error)) from error
        except WireError as error:
            counts["malformed"] += 1
            raise Failed(grpc.StatusCode.INVALID_ARGUMENT, str(error)) from error
        except ApplicationFailed as error:
            raise Failed(grpc.StatusCode.INTERNAL, str(error)) from error

    async def _converse(self, call: Call) -> None:
        try:
            async with asyncio.timeout(_HELLO_S):
                first = parse_uplink(await call.read() or b"")
        except TimeoutError as error:
            raise Failed(grpc.StatusCode.DEADLINE_EXCEEDED, f"no hello came in {_HELLO_S:.0f} s") from error
        if first.WhichOneof("body") != "hello":
            raise WireError("the first packet must be a hello")
        names, pem = _shown(call.tls)
        tenant, serial = self._guarded(pem)
        admit(first.hello, names, self._tokens, tenant)
        call.admit()
        connection = _Connection(call)
        if serial:
            self._watched[call] = serial
        session = None
        try:
            session = await self._sessions.open(first.hello, tenant, connection)
            while (packet := await call.read()) is not None:
                await session.take(parse_uplink(packet))
        finally:
            connection.alive = False
            if session is not None:
                session.cut(connection)
            self._watched.pop(call, None)

    def look(self) -> None:
        """Cut the calls of those that were revoked meanwhile."""
        for call, serial in self._watched.items():
            try:
                self._refuse(serial)
            except Rejected as error:
                call.stop(error)

    def _guarded(self, pem: bytes | None) -> tuple[str, int]:
        """(tenant, serial) of who shows this certificate; serial 0: none. Raises Rejected."""
        if self._guard is None or pem is None:
            return self._tenant, 0
        tenant, serial = self._guard.who(pem)
        self._refuse(serial)
        return tenant or self._tenant, serial

    def _refuse(self, serial: int) -> None:
        if serial and self._guard is not None and (reason := self._guard.refuses(serial)) is not None:
            raise Rejected(reason)


def _shown(tls: ssl.SSLObject | None) -> tuple[list[str], bytes | None]:
    """The common names in the caller's certificate, and the certificate (PEM)."""
    if tls is None or not (der := tls.getpeercert(binary_form=True)):
        return [], None
    subject: Any = (tls.getpeercert() or {}).get("subject", ())
    names = [str(value) for part in subject for name, value in part if name == "commonName"]
    return names, ssl.DER_cert_to_PEM_cert(der).encode()


def _context(tls: Tls) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    try:
        context.load_cert_chain(tls.certificate, tls.key)
        if tls.client_ca:
            context.load_verify_locations(tls.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except OSError as error:  # SSLError is one
        raise SettingError(f"a TLS file cannot be read: {error}") from error
    return context


def _loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    return address.startswith("unix:") or loopback(host)
