"""Checks of what comes in, and the names and numbers that both ends rely on."""

from __future__ import annotations

import re
import secrets
from typing import TypeVar

from google.protobuf.message import DecodeError

from edge.errors import WireError
from edge.wire import mien_pb2
from edge.wire.limits import MAX_BATCH, MAX_ENVELOPE, MAX_UPLINK

VERSION = 1
CONVERSE = "/mien.v1.Mien/Converse"  # the one method of the gRPC service

_SEQS = 1 << 53  # numbers that SQLite, Lua and JSON readers all count in exactly; 285 years at a million a second
_LEVELS = 100
_DEVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


def new_id() -> int:
    """A random boot or session number: 64 bits, never 0."""
    return secrets.randbits(64) or 1


def nests(text: bytes) -> bool:
    """Whether `text` in JSON may nest deeper than what is asked for by it, which has a level or two.

    Asked before it is parsed: at the recursion limit Python's collector may come by, and finalizers of others fail."""
    return text.count(b"[") + text.count(b"{") > _LEVELS


def check_device(device: str) -> None:
    """Raises WireError when `device` is no device name."""
    if not _DEVICE.fullmatch(device):
        raise WireError(
            f"'{device[:80]}' is no device name: use letters, digits, dot, dash and underscore, at most 64, "
            "beginning with a letter or digit"
        )


def check(envelope: mien_pb2.Envelope, device: str) -> str | None:
    """Why a bridge refuses this envelope of `device` (the `reason` of Refused), or None when it is good."""
    if envelope.v != VERSION:
        return "version"
    if envelope.ByteSize() > MAX_ENVELOPE:
        return "size"
    if envelope.device != device or not envelope.boot or not 0 < envelope.seq < _SEQS:
        return "device"
    return None


def parse_uplink(packet: bytes) -> mien_pb2.Uplink:
    """Raises WireError when `packet` is no Uplink, or larger than one of its kind may be."""
    found = _parse(mien_pb2.Uplink(), packet)
    if len(packet) > MAX_UPLINK and (found.WhichOneof("body") != "batch" or len(packet) > MAX_BATCH):
        raise WireError(f"a packet of {len(packet)} bytes is larger than the wire contract allows (edge/wire)")
    return found


def parse_downlink(packet: bytes) -> mien_pb2.Downlink:
    """Raises WireError when `packet` is no Downlink."""
    return _parse(mien_pb2.Downlink(), packet)


_Packet = TypeVar("_Packet", mien_pb2.Uplink, mien_pb2.Downlink)


def _parse(message: _Packet, packet: bytes) -> _Packet:
    try:
        message.ParseFromString(packet)
    except DecodeError as error:
        raise WireError(f"a packet of {len(packet)} bytes does not follow the wire contract (edge/wire)") from error
    if message.WhichOneof("body") is None:
        raise WireError(f"a packet of {len(packet)} bytes says nothing: speak contract version {VERSION} (edge/wire)")
    return message
