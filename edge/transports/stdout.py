"""`stdout://`: envelopes as JSON lines on the standard output, taken at once; nothing ever answers."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import NoReturn

from edge.errors import TransportError
from edge.plugin import Uri
from edge.transports.base import TlsFiles
from edge.wire import mien_pb2
from edge.wire.check import VERSION
from edge.wire.json_form import to_json

ANSWERS = False


async def connect(uri: Uri, hello: mien_pb2.Hello, *, tls: TlsFiles | None) -> StdoutTransport:
    """See `edge.transports.base`. `uri` and `tls` tell nothing here."""
    return StdoutTransport()


class StdoutTransport:
    """A bridge that only writes down, as `base.Transport`."""

    def __init__(self) -> None:
        self.welcome = mien_pb2.Welcome(v=VERSION, bridge="stdout", session=1)
        self._acks: asyncio.Queue[mien_pb2.Ack] = asyncio.Queue()

    async def send(self, uplink: mien_pb2.Uplink) -> None:
        """See `base.Transport`."""
        if uplink.WhichOneof("body") != "envelope":
            return
        try:
            sys.stdout.write(to_json(uplink.envelope) + "\n")
            sys.stdout.flush()
        except (OSError, ValueError) as error:
            raise TransportError(f"the standard output cannot be written: {error}") from error
        self._acks.put_nowait(mien_pb2.Ack(boot=uplink.envelope.boot, seq=[uplink.envelope.seq]))

    async def receive(self, take: Callable[[mien_pb2.Downlink], None]) -> NoReturn:
        """See `base.Transport`."""
        while True:
            take(mien_pb2.Downlink(ack=await self._acks.get()))

    async def close(self) -> None:
        """See `base.Transport`."""
