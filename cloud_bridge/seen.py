"""What is known of one device now, and the moments that it is made of; as JSON values for whoever shows it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from google.protobuf.json_format import MessageToDict

from cloud_bridge.ingest.base import Device, Link
from edge.wire import mien_pb2

RECENT = 60  # moments kept of each device: a minute of states


class Moment(NamedTuple):
    """Something that happened on a device. `body`: the envelope's bytes, or facts. `at_s`: this bridge's time, UTC."""

    tenant: str
    device: str
    kind: str  # the envelope's in lower case, or online, offline, reply, answered, order
    at_s: float
    body: bytes | Mapping[str, Any]

    def facts(self) -> dict[str, Any]:
        """As JSON values, by the names of the wire."""
        head = {"device": self.device, "kind": self.kind, "at_s": round(self.at_s, 3)}
        if not isinstance(self.body, bytes):
            return head | dict(self.body)
        return head | of_envelope(mien_pb2.Envelope.FromString(self.body))


@dataclass(frozen=True, slots=True)
class Done:
    """How a device answered an order. `done` is None where it did not answer in time."""

    done: bool | None
    reason: str = ""


@dataclass(slots=True)
class Seen:
    """The newest of one device."""

    device: Device
    online: bool = True
    since_s: float = 0.0  # UTC, since when it is (or is not) online
    heard_s: float = 0.0  # UTC, of the last envelope
    state: mien_pb2.State | None = None
    state_s: float = 0.0
    description: mien_pb2.Description | None = None
    health: mien_pb2.Health | None = None
    words: str = ""
    reply: str = ""
    tone: str = ""
    answered: Mapping[str, Any] = field(default_factory=dict)  # how the last answer went: outcome, stages in ms
    turn: int = 0
    muted: bool | None = None  # as the device last told; None: not known
    recent: deque[Moment] = field(default_factory=lambda: deque(maxlen=RECENT))
    link: Link | None = None  # None: offline, or at another worker

    def summary(self) -> dict[str, Any]:
        """The device in a line of a list."""
        return {
            "device": self.device.id,
            "online": self.online,
            "since_s": round(self.since_s, 3),
            "heard_s": round(self.heard_s, 3),
            "software": self.device.software,
            "muted": self.muted,
            "turn": self.turn,
        }

    def full(self) -> dict[str, Any]:
        """Everything that is known now, as JSON values; what is not known is None."""
        return self.summary() | {
            "state": _json(self.state),
            "state_age_s": round(time.time() - self.state_s, 3) if self.state is not None else None,
            "description": _json(self.description),
            "health": _json(self.health),
            "words": self.words or None,
            "reply": self.reply or None,
            "tone": self.tone or None,
            "answered": dict(self.answered) or None,
        }


def keep_facts(seen: Seen, kind: str, facts: Mapping[str, Any], now_s: float) -> None:
    """Keep what is told beside envelopes: presence, replies, how an answer went."""
    if kind in ("online", "offline"):
        seen.online, seen.since_s = kind == "online", now_s
    elif kind == "reply" and "text" in facts:
        seen.reply = facts["text"] if facts["chunk"] == 0 else f"{seen.reply} {facts['text']}"[-600:]
        seen.tone = facts["tone"]
    elif kind == "answered":
        seen.answered = facts


def of_envelope(envelope: mien_pb2.Envelope) -> dict[str, Any]:
    """What a person would want to know of an envelope, as JSON values."""
    found: dict[str, Any] = {"turn": envelope.turn} if envelope.turn else {}
    for name in ("state", "description", "health", "stages"):
        if envelope.HasField(name):
            found[name] = _json(getattr(envelope, name))
    if envelope.events:
        found["events"] = [_json(event) for event in envelope.events]
    if envelope.words:
        found["words"] = envelope.words
    return found


def _json(message: Any) -> Any:
    return None if message is None else MessageToDict(message, preserving_proto_field_name=True)
