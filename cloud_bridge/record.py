"""What of a conversation goes into the history: words, and how a person was, only with their consent to each; nothing
from before an erasure. Without consent times and figures of the link and the bridge are left, of nobody; but whom a
handover was told of is kept."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from cloud_bridge.history import History
from cloud_bridge.ingest.base import Device
from cloud_bridge.telemetry import Telemetry
from edge.wire import mien_pb2

_ERASED = 10_000  # erasures that are remembered, so that what was under way is not kept after all


class Record:
    """Writes to `history` (None: nothing is kept) what is told here, and when a turn was heard to `telemetry`."""

    def __init__(self, history: History | None, telemetry: Telemetry | None = None) -> None:
        self.history = history
        self._telemetry = telemetry
        self._erased_s: dict[tuple[str, str], float] = {}

    def link(self, device: Device, state: str) -> None:
        """The device came or went."""
        self._event(device, None, time.time(), "link", {"state": state, "software": device.software})

    def envelope(self, device: Device, envelope: mien_pb2.Envelope) -> None:
        """What one envelope tells, of a person only where they agreed; words are kept with their turn, if at all."""
        at_s = when_s(envelope)
        stages: dict[str, Any] = {}
        if envelope.HasField("stages"):
            stages = {field.name: value for field, value in envelope.stages.ListFields()}
        if stages and self._telemetry is not None:
            self._telemetry.heard(device, envelope.turn, stages, at_s)
        if self.history is None:
            return
        person = envelope.state.person if envelope.keep_states and envelope.HasField("state") else None
        if person is not None and self._may(device, at_s):
            self.history.add_state(device.id, person, at_s, envelope.state, tenant=device.tenant)
            if envelope.HasField("description"):
                self.history.add_description(device.id, person, at_s, envelope.description, tenant=device.tenant)
        for event in envelope.events:
            who = event.person if event.HasField("person") else person
            if who is not None and not envelope.keep_states:
                continue
            facts = {"name": event.name, "alert": event.alert, "arguments": dict(event.arguments)}
            self._event(device, who, at_s - event.age_ms / 1_000, "event", facts, turn=envelope.turn)
        if envelope.HasField("health"):
            health = envelope.health
            facts = {
                "level": health.level,
                "rss_mb": health.rss_mb,
                "temperature_c": health.temperature_c if health.HasField("temperature_c") else None,
                "failing": list(health.failing),
                "dropped": dict(health.dropped),
                "outbox_items": health.outbox_items,
            }
            self._event(device, None, at_s, "health", facts)
        if stages:
            self._event(device, person, at_s, "stages", stages, turn=envelope.turn)

    def turn(
        self, device: Device, envelope: mien_pb2.Envelope, facts: Mapping[str, Any], words: str, answer: str
    ) -> None:
        """An answered turn, with its words where the person agreed."""
        at_s = when_s(envelope)
        if self.history is None or not self._may(device, at_s):
            return
        kept = {"words": words, "answer": answer} if envelope.keep_words else {}
        known = (envelope.keep_words or envelope.keep_states) and envelope.HasField("state")
        person = envelope.state.person if known else None
        told = facts if envelope.keep_states else {name: one for name, one in facts.items() if name != "tone"}
        self.history.add_turn(device.id, person, at_s, envelope.turn, told, **kept, tenant=device.tenant)

    def event(self, device: Device, person: int | None, kind: str, facts: Mapping[str, Any]) -> None:
        """Something that the bridge did now."""
        self._event(device, person, time.time(), kind, facts)

    def erased(self, tenant: str, device: str) -> None:
        """From now on nothing is kept of `device` that happened before now."""
        while len(self._erased_s) >= _ERASED:
            del self._erased_s[next(iter(self._erased_s))]
        self._erased_s[tenant, device] = time.time()

    def _may(self, device: Device, at_s: float) -> bool:
        return at_s > self._erased_s.get((device.tenant, device.id), float("-inf"))

    def _event(
        self,
        device: Device,
        person: int | None,
        at_s: float,
        kind: str,
        facts: Mapping[str, Any],
        *,
        turn: int | None = None,
    ) -> None:
        if self.history is not None and self._may(device, at_s):
            self.history.add_event(device.id, person, at_s, kind, facts, turn=turn, tenant=device.tenant)


def when_s(envelope: mien_pb2.Envelope) -> float:
    """Seconds since 1970 of what the envelope tells: the device's clock where it is set, else now; never later, or a
    wrong clock would keep a row beyond its time."""
    now_s = time.time()
    return min(now_s, envelope.utc_ms / 1_000) if envelope.clock_synced and envelope.utc_ms else now_s
