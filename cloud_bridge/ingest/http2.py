"""gRPC's wire for a server: calls over HTTP/2, on the event loop's own sockets.

A server of grpcio's costs 0.25–0.5 ms of processor time per message and answer, this one a third (docs/fleet.md).
"""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol
from urllib.parse import quote

import grpc
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RemoteSettingsChanged,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError

from cloud_bridge.ending import end
from cloud_bridge.ingest.call import Call, Failed
from cloud_bridge.ingest.http2_frames import Frames

log = logging.getLogger(__name__)

KEEPALIVE_S = 20.0  # a connection that was silent so long is asked whether it is there
STRANGER_S = 30.0  # a connection of which nobody was admitted is closed after so long
STUCK_S = 20.0  # what a caller does not read in this time is given up, with its call
_ANSWER_S = 10.0  # to answer a ping
_NOISE = 2_000  # frames that carry no message, between two looks …
_PER_WRITE = 4  # … and as many more for each that was written: who is told much gives much room back


class Connections(Protocol):
    """The server, as its connections see it."""

    async def serve(self, call: Call) -> None:
        """Serve one call. Raises Failed to end it otherwise than well."""

    def opened(self, connection: Http2) -> None:
        """It began."""

    def admitted(self, connection: Http2) -> None:
        """A caller on it is known."""

    def closed(self, connection: Http2) -> None:
        """It is gone."""


class Http2(Frames):
    """One connection."""

    def __init__(self, server: Connections) -> None:
        super().__init__()
        self.stranger = True
        self._server = server
        self._tasks: set[asyncio.Task[None]] = set()
        self._asked_s: float | None = None

    def admit(self) -> None:
        """A caller is known."""
        self.stranger = False
        self._server.admitted(self)

    # ------------------------------------------------------------ the event loop's calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        self._server.opened(self)

    def eof_received(self) -> bool:
        """See `asyncio.Protocol`."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`. What came before is still read."""
        self._ended = True
        for call in self._calls.values():
            call.stop(ConnectionError("the device is gone"))
        self._calls.clear()
        self._server.closed(self)
        vars(self._h2).clear()  # it holds its own methods: a circle that would wait for the collector, 20 kB each

    # ------------------------------------------------------------ the server's calls

    def look(self, now_s: float) -> None:
        """Called every few seconds: is it still there, and still worth its place?"""
        noise, self._noise = self._noise - _PER_WRITE * self._written, 0
        self._written = 0
        if self._ended:
            if now_s - self._ended_s > _ANSWER_S:  # it does not even read our goodbye
                self.transport.abort()
        elif noise > _NOISE:
            self.close(ErrorCodes.ENHANCE_YOUR_CALM)
        elif self.stranger and now_s - self.began_s > STRANGER_S:
            self.close()
        elif self._asked_s is not None and self._heard_s < self._asked_s:
            if now_s - self._asked_s > _ANSWER_S:
                self.transport.abort()
        elif now_s - self._heard_s > KEEPALIVE_S:
            self._asked_s = now_s
            self._h2.ping(b"are you?")
            self._flush()

    def stop(self, why: Exception) -> None:
        """End all calls with `why`."""
        for call in list(self._calls.values()):
            call.stop(why)

    async def finished(self, within_s: float) -> None:
        """Wait for the handlers, cancel those that stay, and hang up."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=within_s)
            await end(self._tasks)
        self.close()

    # ------------------------------------------------------------ inside

    def _handle(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            self._begin(event)
        elif isinstance(event, DataReceived):
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            if (call := self._calls.get(event.stream_id)) is not None:
                call.feed(event.data, credited=True)
        elif isinstance(event, StreamEnded):
            if (call := self._calls.get(event.stream_id)) is not None:
                call.half_closed = True
                call.wake()
        elif isinstance(event, StreamReset):
            if (call := self._calls.pop(event.stream_id, None)) is not None:
                call.stop(ConnectionError("the device hung up"))
                self._settle(call)
        elif isinstance(event, WindowUpdated | RemoteSettingsChanged):
            self._pump_all()
        elif isinstance(event, ConnectionTerminated):
            self.close()

    def _begin(self, event: RequestReceived) -> None:
        stream = self._h2.streams.get(event.stream_id)
        if stream is None:  # it was reset at once
            return
        path = dict(event.headers).get(b":path", b"")
        call = Call(self, event.stream_id, bytes(path).decode("ascii", "replace"), stream)
        self._calls[event.stream_id] = call
        task = asyncio.create_task(self._run(call), name=f"call {call.path}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, call: Call) -> None:
        code, why = grpc.StatusCode.OK, ""
        try:
            await self._server.serve(call)
            async with asyncio.timeout(STUCK_S):
                await call.drain()
        except Failed as error:
            code, why = error.code, str(error)
        except (ConnectionError, TimeoutError):
            why_cut = call.over if isinstance(call.over, Failed) else Failed(grpc.StatusCode.UNAVAILABLE, "it was cut")
            code, why = why_cut.code, str(why_cut)
        except asyncio.CancelledError:
            code, why = grpc.StatusCode.UNAVAILABLE, "the bridge ends"
            raise
        except Exception as error:  # its message may hold words
            log.error("a call of %s failed: %s", call.path, type(error).__name__)
            code, why = grpc.StatusCode.INTERNAL, type(error).__name__
        finally:
            call.stop(ConnectionError("the call is over"))
            self._end(call, code, why)
            call.forget()

    def _end(self, call: Call, code: grpc.StatusCode, why: str) -> None:
        if self._calls.pop(call.number, None) is None or self._ended:
            return
        self._settle(call)
        headers = [] if call.begun else [(b":status", b"200"), (b"content-type", b"application/grpc")]
        headers.append((b"grpc-status", b"%d" % code.value[0]))
        if why:
            headers.append((b"grpc-message", quote(why, safe=" !#$&'()*+,/:;=?@[]").encode()))
        try:
            self._h2.send_headers(call.number, headers, end_stream=True)
            if not call.half_closed:
                self._h2.reset_stream(call.number)
        except ProtocolError:  # the caller's end of it was quicker
            pass
        self._flush()

    def _settle(self, call: Call) -> None:
        """The connection outlives its calls: what one of them did not read must not count against the next for ever."""
        if left := call.settle():
            self._renew_connection(left)
