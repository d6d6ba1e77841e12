"""The seam between the links and the application: what an ingest calls, and what it hands out.

An ingest (gRPC, MQTT) keeps one `Session` per device and boot. The session outlives a cut of the network: for
`GRACE_S` after a cut the application sees nothing of it, and reply chunks wait within their ttl.

Order of calls for one device, never two at a time:
    connected(device, link) → received(device, envelope)* , cancelled(device, turn)* → disconnected(device)
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from edge.wire import mien_pb2

GRACE_S = 30.0  # a cut shorter than this is not seen by the application


Effect = Callable[[sqlite3.Connection], None]
"""Writes into tables of the application's own, which lie in the file of the record; must not commit. An effect that
raises is undone and counted (`effects_failed`), and its envelope is not sent again."""


@dataclass(frozen=True, slots=True)
class Device:
    """Who speaks: one start (`boot`) of one device of one tenant. Hashable: the key of a session."""

    id: str
    boot: int
    tenant: str = "default"
    software: str = ""
    heard_turn: int = field(default=0, compare=False)  # of the hello that began the session
    keeps_opening: bool = field(default=False, compare=False)  # of the same: it takes openings ahead of their turn


def key(device: Device, envelope: mien_pb2.Envelope) -> str:
    """The envelope's name for ever, for whatever outside has to know that it saw it before."""
    return f"{device.tenant}/{device.id}/{envelope.boot:016x}/{envelope.seq}"


class NotNow(Exception):  # noqa: N818
    """The application cannot take an envelope for now; the envelope is not to blame, and is never refused for it."""


class Claims(Protocol):
    """Who of several bridges at one broker serves a device; `cloud_bridge.fleet.claims` implements it."""

    async def claim(self, device: str, hello: bytes) -> bool:
        """Whether this bridge is the first to claim this hello (its correlation) of `device` (tenant/device). Raises
        NotNow while that cannot be known."""


class Link(Protocol):
    """The way back to one device. Valid from `connected` to `disconnected`; survives cuts in between."""

    def next_reply(self) -> int:
        """A fresh reply id: 1, 2, 3 … within this session."""

    async def send(self, reply: mien_pb2.Reply) -> None:
        """Queue one chunk. Chunks of a reply count 0, 1, 2 … and end with `final`.

        Returns when the chunk is queued; waits where the device reads too slowly. While the device is cut off the
        chunk is held for its `ttl_ms` (0: 10 s), then dropped and counted. A chunk of a cancelled turn is dropped.
        """

    async def command(self, command: mien_pb2.Command) -> None:
        """Send one command; dropped when the device is not connected."""


class Handler(Protocol):
    """The application. Implemented by `cloud_bridge.conversation`; tests ship their own."""

    async def connected(self, device: Device, link: Link) -> None:
        """A device session began."""

    async def received(self, device: Device, envelope: mien_pb2.Envelope) -> Effect | None:
        """Take one envelope, in order per priority; once for each (device, boot, seq) while this bridge lives.

        Be quick: start a task for anything slow, since the envelope is acknowledged after this returns. An `Effect`
        that is returned is run in the transaction that records the envelope: it happens once, whatever is killed and
        whenever. All else that this call does may be done again: a bridge that dies before that transaction is on
        disk (some ms) gets the envelope again in its next life, as if the first call had never been. Name what is
        done outside by `key`. When this raises, nothing is acknowledged and the device sends the envelope again: five
        times at most, or for ever where it raises `NotNow`. An envelope whose boot is not `device.boot` was kept
        through a restart of the device: history, not to be answered.
        """

    async def cancelled(self, device: Device, turn: int) -> None:
        """The person spoke again: stop the reply to `turn` and to all turns before it."""

    async def disconnected(self, device: Device) -> None:
        """The session ended: goodbye, or no contact for `GRACE_S`, or a newer boot of the same device."""


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files of the server. With `client_ca`, each device must show a certificate whose common name is its id."""

    certificate: str
    key: str
    client_ca: str | None = None
