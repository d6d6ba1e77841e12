"""One device as a row of the fleet list: the few facts that tell whether to look closer."""

from __future__ import annotations

import time
from typing import Any

from cloud_bridge.presence import ORDER
from cloud_bridge.seen import Seen
from cloud_bridge.tone import LABELS
from edge.wire import mien_pb2

_ALERT_S = 120.0  # an alert is shown for so long


def row(seen: Seen) -> dict[str, Any]:
    """As JSON values; None where it is not known."""
    state = seen.state
    affect = state.fused if state is not None and state.HasField("fused") else None
    attention = state.attention if state is not None and state.HasField("attention") else None
    return {
        **seen.summary(),
        "label": label(affect),
        "valence": affect.valence if affect is not None else None,
        "arousal": affect.arousal if affect is not None else None,
        "on_target": attention.on_target if attention is not None and attention.HasField("on_target") else None,
        "alert": _alert(seen),
    }


def label(affect: mien_pb2.Affect | None) -> str | None:
    """The likeliest emotion; `unclear` where the device says so."""
    if affect is None or not affect.probs_pct:
        return None
    if affect.unclear:
        return "unclear"
    return LABELS[max(range(len(affect.probs_pct)), key=lambda at: affect.probs_pct[at]) % len(LABELS)]


def _alert(seen: Seen) -> str | None:
    for moment in reversed(seen.recent):
        if moment.kind == "event" and isinstance(moment.body, bytes):
            if time.time() - moment.at_s > _ALERT_S:
                return None
            for event in mien_pb2.Envelope.FromString(moment.body).events:
                if event.alert and event.name != ORDER:
                    return str(event.name)
    return None
