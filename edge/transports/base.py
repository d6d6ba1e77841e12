"""What a transport is: one connection to a bridge, on which packets of the wire contract travel both ways.

Each `edge/transports/SCHEME.py` offers

    async def connect(uri: Uri, hello: mien_pb2.Hello, *, tls: TlsFiles | None) -> Transport

which returns once the bridge has said Welcome, and raises TransportError, naming the cause and the mend, when it does
not within `CONNECT_S`: a captive portal that takes the connection but does not speak the contract is found out there.
`ANSWERS = False` says that no reply will ever come that way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, Protocol

from edge.errors import ConfigError
from edge.wire import mien_pb2

CONNECT_S = 10.0


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files. `ca`: whom to trust (None: the system's list); `certificate` and `key`: who this device is."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def read(self, name: str) -> bytes | None:
        """The bytes of `ca`, `certificate` or `key`; None where it is not set. Raises ConfigError."""
        path: Path | None = getattr(self, name)
        if path is None:
            return None
        try:
            return path.read_bytes()
        except OSError as error:
            raise ConfigError(f"the TLS file {path} cannot be read: {error.strerror}") from error


class Transport(Protocol):
    """One connection. Used from one asyncio loop. Every method but `close` raises TransportError once it is gone."""

    welcome: mien_pb2.Welcome

    async def send(self, uplink: mien_pb2.Uplink) -> None:
        """Hand over one packet; waits where the connection is slow."""

    async def receive(self, take: Callable[[mien_pb2.Downlink], None]) -> NoReturn:
        """Hand each packet from the bridge to `take`, in the step of the loop that reads it: it must not wait. Raises
        what `take` raises, and TransportError when the connection ends."""

    async def close(self) -> None:
        """Hang up. Idempotent; raises nothing."""
