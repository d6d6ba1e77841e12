"""An ASGI application on an address of its own, in the bridge's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from cloud_bridge.errors import ListenError, SettingError
from cloud_bridge.ingest.base import Tls
from edge.wire.clear import loopback

_GRACE_S = 1  # open event streams are cut after so long
_HEAD_S = 10.0  # whoever is connected asks for something within this, or within twice of it
_MOST = 2_048  # connections


class _Quiet(uvicorn.Server):
    """Leaves the signals to the bridge."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """See uvicorn."""
        yield


class _Bounded(H11Protocol):
    """Closes who does not ask: uvicorn waits for a request's head without end, and for any number of them."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        super().connection_made(transport)  # type: ignore[arg-type]  # as uvicorn narrows it
        self._looking = self.loop.call_later(_HEAD_S, self._look, self.cycle)
        if len(self.connections) > _MOST:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        self._looking.cancel()
        super().connection_lost(exc)

    def _look(self, before: object) -> None:
        """`before`: the request that was being answered, or the last one, when this was looked at before."""
        answering = self.cycle is not None and not self.cycle.response_complete
        if not answering and self.cycle is before:
            self.transport.abort()
        else:
            self._looking = self.loop.call_later(_HEAD_S, self._look, self.cycle)


class Listening:
    """An application that is being served. `address` as a browser writes it."""

    def __init__(self, server: _Quiet, task: asyncio.Task[None], host: str, port: int, *, tls: bool) -> None:
        self.host, self.port = host, port
        self.address = f"http{'s' if tls else ''}://{f'[{host}]' if ':' in host else host}:{port}"
        self._server, self._task = server, task

    async def stop(self) -> None:
        """Cut what is open, and end."""
        self._server.should_exit = True
        await self._task


async def listen(app: Any, address: str, *, tls: Tls | None, secure: bool) -> Listening:
    """Serve `app` on `address` (`host:port`; port 0: any). `secure`: a name other than this machine's own needs `tls`.

    Raises ListenError when the address cannot be had, SettingError when TLS is needed or its files cannot be used.
    """
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    if secure and tls is None and not loopback(host):
        raise SettingError(f"{address} is not this machine alone, and no TLS is set: give --tls-cert and --tls-key")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, int(port)))
    except (OSError, ValueError, OverflowError) as error:
        raise ListenError(f"cannot listen on {address}: {getattr(error, 'strerror', None) or error}") from error
    config = uvicorn.Config(
        app,
        http=_Bounded,
        ws="none",
        log_config=None,
        log_level="error",  # its own beginnings and ends, and every malformed request of a stranger
        access_log=False,  # addresses would name devices
        server_header=False,
        lifespan="on",
        timeout_graceful_shutdown=_GRACE_S,
        ssl_certfile=tls.certificate if tls else None,
        ssl_keyfile=tls.key if tls else None,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        listening.close()
        raise SettingError(f"the TLS files cannot be used: {error}") from error
    server = _Quiet(config)
    task = asyncio.create_task(server.serve(sockets=[listening]), name=f"http {address}")
    while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.005)
    if task.done():
        task.result()
        raise ListenError(f"cannot serve on {address}: the application did not start")
    return Listening(server, task, host, listening.getsockname()[1], tls=tls is not None)
