"""Envelopes as JSON, for people and integrators: the canonical proto3 mapping with the schema's own field names."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict, ParseError

from edge.errors import WireError
from edge.wire import mien_pb2

_KINDS = {number: name.lower() for name, number in mien_pb2.Kind.items()}  # a newer device may know more
_YEAR_10000_MS = 253_402_300_800_000  # no date has more than four digits for the year there


def to_json(envelope: mien_pb2.Envelope) -> str:
    """One line of JSON. Numbers of 64 bits are strings there, as proto3 has it; what is absent is left out."""
    return json.dumps(MessageToDict(envelope, preserving_proto_field_name=True), ensure_ascii=False)


def from_json(text: str | bytes) -> mien_pb2.Envelope:
    """The envelope that `to_json` wrote; unknown names are ignored. Raises WireError when it is none."""
    try:
        envelope = mien_pb2.Envelope()
        ParseDict(json.loads(text), envelope, ignore_unknown_fields=True)
    except (ValueError, ParseError, RecursionError, AttributeError, TypeError) as error:
        raise WireError("this JSON is no Mien envelope: see edge/wire/README.md for the names and types") from error
    return envelope


def to_cloudevent(envelope: mien_pb2.Envelope, tenant: str = "default") -> dict[str, Any]:
    """The envelope as a CloudEvents 1.0 event in JSON. `time` is left out where the device's clock is not synced."""
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": f"{envelope.boot:016x}-{envelope.seq}",
        "source": f"mien://{tenant}/{envelope.device}",
        "type": f"org.mien.v1.{_KINDS.get(envelope.kind, f'kind_{envelope.kind}')}",
        "datacontenttype": "application/json",
        "data": MessageToDict(envelope, preserving_proto_field_name=True),
    }
    if envelope.clock_synced and envelope.utc_ms < _YEAR_10000_MS:
        event["time"] = datetime.fromtimestamp(envelope.utc_ms / 1_000, UTC).isoformat().replace("+00:00", "Z")
    return event
