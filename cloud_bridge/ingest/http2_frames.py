"""HTTP/2 as bytes, of one connection: what comes is cut into frames, what is said is written as far as there is room.

The library h2 says and reads everything but the DATA frames of running calls, which are nearly all that a device sends:
those go past it.
"""

from __future__ import annotations

import asyncio
import struct
import time
from typing import cast

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import Event
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings

from cloud_bridge.ingest.call import WINDOW, Call

_CALLS = 16  # at once, of one connection
_FRAME = 16_384  # bytes of a frame that is taken
_PREFACE = 24  # bytes that a client begins with
_HEAD = struct.Struct(">BHBBI")  # of a frame: size (3 bytes), kind, flags, stream
_RENEW = struct.Struct(">BHBBII")  # a whole WINDOW_UPDATE
_DATA, _WINDOW_UPDATE = 0, 8
_SETTINGS = {
    SettingCodes.MAX_CONCURRENT_STREAMS: _CALLS,
    SettingCodes.INITIAL_WINDOW_SIZE: WINDOW,
    SettingCodes.MAX_FRAME_SIZE: _FRAME,
    SettingCodes.MAX_HEADER_LIST_SIZE: 16_384,
}
_CONFIG = H2Configuration(client_side=False, header_encoding=None)


class Frames(asyncio.Protocol):
    """The half of `http2.Http2` that knows bytes. `began_s`: since when, monotonic."""

    def __init__(self) -> None:
        self.began_s = time.monotonic()
        self.transport: asyncio.Transport
        self._h2 = H2Connection(_CONFIG)
        self._calls: dict[int, Call] = {}  # those that run, by their stream
        self._rest = b""
        self._begins = True
        self._ended = self._paused = False
        self._ended_s = self._heard_s = self.began_s
        self._noise = self._written = 0  # frames without a message, and those written, since the last look

    def _handle(self, event: Event) -> None:
        """Something that h2 read."""
        raise NotImplementedError

    # ------------------------------------------------------------ the event loop's calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self.transport = cast(asyncio.Transport, transport)
        self._h2.local_settings = Settings(client=False, initial_values=_SETTINGS)
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(WINDOW * 2)
        self._flush()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._heard_s = time.monotonic()
        if self._rest:
            data = self._rest + data
        at = cold = 0
        end = len(data)
        if self._begins:
            if end < _PREFACE:
                self._rest = data
                return
            self._begins, at = False, _PREFACE
        while end - at >= _HEAD.size:
            high, low, kind, flags, number = _HEAD.unpack_from(data, at)
            till = at + _HEAD.size + (high << 16 | low)
            if till - at > _FRAME + _HEAD.size:  # h2 would wait for the whole of it
                self.close(ErrorCodes.FRAME_SIZE_ERROR)
                return
            if till > end:
                break
            if kind == _DATA and not flags and (call := self._calls.get(number)) is not None:
                if cold < at:
                    self._receive(data[cold:at])
                if till - at == _HEAD.size:
                    self._noise += 1
                else:
                    call.feed(data[at + _HEAD.size : till])
                cold = till
            at = till
        if cold < at:
            self._receive(data[cold:at])
        self._rest = data[at:]

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._paused = True

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._paused = False
        self._pump_all()

    # ------------------------------------------------------------ the calls' side

    def pump(self, call: Call) -> None:
        """Write as much of what `call` has as the caller and the socket take."""
        if self._ended or call.number not in self._calls:
            return
        if not call.begun:
            call.begun = True
            self._h2.send_headers(call.number, [(b":status", b"200"), (b"content-type", b"application/grpc")])
            self._flush()
        h2, stream = self._h2, call.stream
        while call.out and not self._paused:
            data = call.out[0]
            room = min(h2.outbound_flow_control_window, stream.outbound_flow_control_window, h2.max_outbound_frame_size)
            if room <= 0:
                return
            size = len(data)
            if size <= room:
                call.out.popleft()
            else:
                view = memoryview(data)
                data, size = view[:room], room
                call.out[0] = view[room:]
            h2.outbound_flow_control_window -= size
            stream.outbound_flow_control_window -= size
            call.pending -= size
            self._written += 1
            self.transport.write(b"".join((_HEAD.pack(size >> 16, size & 0xFFFF, _DATA, 0, call.number), data)))
        if not call.out:
            call.drained()

    def renew(self, call: Call, size: int) -> None:
        """The caller may send `size` bytes more."""
        if not self._ended and call.number in self._calls:
            self.transport.write(
                _RENEW.pack(0, 4, _WINDOW_UPDATE, 0, call.number, size) + _RENEW.pack(0, 4, _WINDOW_UPDATE, 0, 0, size)
            )

    # ------------------------------------------------------------ the connection's side

    def close(self, code: ErrorCodes = ErrorCodes.NO_ERROR) -> None:
        """Say goodbye and hang up."""
        if not self._ended:
            self._h2.close_connection(code)
            self._hang_up()

    def _flush(self) -> None:
        if data := self._h2.data_to_send():
            self.transport.write(data)

    def _pump_all(self) -> None:
        for call in list(self._calls.values()):
            if call.out:
                self.pump(call)

    def _receive(self, data: bytes) -> None:
        """What is not a running call's DATA."""
        if self._ended:
            return
        try:
            for event in self._h2.receive_data(data):
                self._noise += 1
                self._handle(event)
        except ProtocolError:  # h2 says why
            self._hang_up()
        if not self._ended:
            self._flush()

    def _hang_up(self) -> None:
        self._ended, self._ended_s = True, time.monotonic()
        self._flush()
        self.transport.close()

    def _renew_connection(self, size: int) -> None:
        """The connection may send `size` bytes more, whatever the call."""
        self.transport.write(_RENEW.pack(0, 4, _WINDOW_UPDATE, 0, 0, size))
