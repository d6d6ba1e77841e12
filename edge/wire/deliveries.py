"""What MQTT's QoS 1 and 2 promise: the handshakes of our publications and of the broker's, on one connection."""

from __future__ import annotations

import asyncio

from edge.wire import publications
from edge.wire.publications import Message

HANDLED = frozenset(
    (
        publications.PUBLISH,
        publications.PUBACK,
        publications.PUBREC,
        publications.PUBREL,
        publications.PUBCOMP,
    )
)  # the kinds of packets that are for `Deliveries.take`
_FAILURE = 0x80  # and all codes above


class Deliveries:
    """Answers go to `out`. `most` publications of ours may be on their way; `room` is set while there are fewer."""

    def __init__(self, out: list[bytes]) -> None:
        self.most = 1  # until the broker tells
        self.room = asyncio.Event()
        self.room.set()
        self._out = out
        self._unacked: dict[int, asyncio.Future[int]] = {}
        self._undone: set[int] = set()  # QoS 2 messages that were taken and not yet released by the broker

    def expect(self, mid: int) -> asyncio.Future[int]:
        """The publication `mid` leaves now; the broker's reason code, once it is done with it."""
        acked = self._unacked[mid] = asyncio.get_running_loop().create_future()
        if len(self._unacked) >= self.most:
            self.room.clear()
        return acked

    def take(self, first: int, body: bytes, *, five: bool) -> Message | None:
        """One of the HANDLED packets; a publication that is to be handed on. Raises ValueError for what is none."""
        kind = first & 0xF0
        if kind == publications.PUBLISH:
            message, qos, mid = publications.unpack(first, body, five=five)
            if not qos:
                return message
            if qos == 1:
                self._out.append(publications.answer(publications.PUBACK, mid))
                return message
            again = mid in self._undone
            self._undone.add(mid)
            self._out.append(publications.answer(publications.PUBREC, mid))
            return None if again else message
        mid, code = publications.answered(body)
        if kind == publications.PUBREL:
            self._undone.discard(mid)
            self._out.append(publications.answer(publications.PUBCOMP, mid))
        elif kind == publications.PUBREC and code < _FAILURE:
            self._out.append(publications.answer(publications.PUBREL, mid))
        else:
            self._settle(mid, code)
        return None

    def end(self) -> None:
        """The connection ended: nobody is told any more."""
        for acked in self._unacked.values():
            acked.cancel()
        self._unacked.clear()
        self.room.set()

    def _settle(self, mid: int, code: int) -> None:
        """The broker is done with the publication `mid`."""
        if (acked := self._unacked.pop(mid, None)) is not None and not acked.done():
            acked.set_result(code)
        if len(self._unacked) < self.most:
            self.room.set()
