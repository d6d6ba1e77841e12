"""One gRPC stream of a simulated device, with its frames made by hand: thousands of them fit on a core, where grpcio's
client would be the limit of what is measured. The real client is judged in `link`; the bytes on the wire are the same.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable

import hpack

from edge.wire.check import CONVERSE

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEAD = struct.Struct(">BHBBI")
_WINDOW = 1 << 30  # bytes that the bridge may send without being told more
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GOAWAY, _UPDATE = 0, 1, 3, 4, 6, 7, 8
_ACK, _END_HEADERS = 1, 4


def _frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    return _HEAD.pack(len(body) >> 16, len(body) & 0xFFFF, kind, flags, stream) + body


def _opening(bridge: str) -> bytes:
    headers = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", CONVERSE),
        (":authority", bridge),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    ]
    return (
        _PREFACE
        + _frame(_SETTINGS, 0, 0, struct.pack(">HI", 4, _WINDOW))
        + _frame(_UPDATE, 0, 0, struct.pack(">I", _WINDOW))
        + _frame(_HEADERS, _END_HEADERS, 1, hpack.Encoder().encode(headers))
    )


class Stream(asyncio.Protocol):
    """Calls `heard` with each message. `ended` is done when the bridge, or the network, ended it."""

    def __init__(self, bridge: str, heard: Callable[[bytes], None]) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._heard = heard
        self._opening = _opening(bridge)
        self._transport: asyncio.Transport | None = None
        self._rest = self._messages = b""

    def write(self, message: bytes) -> None:
        """Send one message."""
        if self._transport is not None and not self.ended.done():
            self._transport.write(_frame(_DATA, 0, 1, struct.pack(">BI", 0, len(message)) + message))

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = transport  # type: ignore[assignment]  # uvloop's is none of asyncio's
        self._transport.write(self._opening)  # type: ignore[union-attr]

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        data = self._rest + data
        at = 0
        while len(data) - at >= _HEAD.size:
            high, low, kind, flags, stream = _HEAD.unpack_from(data, at)
            till = at + _HEAD.size + (high << 16 | low)
            if till > len(data):
                break
            self._take(kind, flags, stream, data[at + _HEAD.size : till])
            at = till
        self._rest = data[at:]

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._end()

    def _take(self, kind: int, flags: int, stream: int, body: bytes) -> None:
        assert self._transport is not None
        if kind == _DATA:
            self._messages += body
            while len(self._messages) >= 5:
                till = 5 + int.from_bytes(self._messages[1:5], "big")
                if len(self._messages) < till:
                    break
                message, self._messages = self._messages[5:till], self._messages[till:]
                self._heard(message)
        elif kind in (_PING, _SETTINGS) and not flags & _ACK:
            self._transport.write(_frame(kind, _ACK, 0, body if kind == _PING else b""))
        elif kind in (_RESET, _GOAWAY) or (kind == _HEADERS and flags & 1):
            self._end()

    def _end(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)
        self.close()
