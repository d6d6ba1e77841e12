"""What Home Assistant is told of a device, so that it shows it without being configured: MQTT discovery.

One retained message per device (Home Assistant 2024.12 or newer); the values come from the retained `state` topic.
"""

from __future__ import annotations

import json
from typing import Any

from edge.types import EMOTIONS
from edge.wire import topics

# What was not perceived is absent in the JSON: the template then renders nothing, and Home Assistant says "unknown".
_FUSED = "{% set a = (value_json.state | default({})).fused %}{% if a %}"
_MOOD = (
    _FUSED
    + "{% if a.unclear %}unclear{% else %}{% set p = a.probs_pct %}{{ "
    + json.dumps(EMOTIONS)  # in the order of probs_pct
    + "[p.index(p | max)] }}{% endif %}{% endif %}"
)
_SPEAKING = (
    "{% set s = (value_json.state | default({})).speaking %}{% if s is defined %}{{ 'ON' if s else 'OFF' }}{% endif %}"
)
_LOOKS = (
    "{% set a = (value_json.state | default({})).attention %}{% if a and a.on_target is defined %}"
    "{{ 'ON' if a.on_target else 'OFF' }}{% endif %}"
)
_TIRED = (
    "{% set d = (value_json.state | default({})).drowsiness %}"
    "{% if d %}{{ (d.level | default('CALIBRATING')).rstrip('_') | lower }}{% endif %}"
)
_WORDS = "{% set d = value_json.description | default({}) %}{{ d.joint or d.audio or d.visual or '' }}"


def discovery_topic(tenant: str, device: str) -> str:
    """Where Home Assistant looks, with its usual prefix; it takes no dots."""
    return f"homeassistant/device/{tenant}/{device}/config".replace(".", "_")


def discovery(tenant: str, device: str, software: str) -> str:
    """The message, as JSON."""
    parts: dict[str, dict[str, Any]] = {
        "mood": {"p": "sensor", "name": "Mood", "icon": "mdi:emoticon-outline", "value_template": _MOOD},
        "valence": _signed("Valence", "valence"),
        "arousal": _signed("Arousal", "arousal"),
        "speaking": {"p": "binary_sensor", "name": "Speaking", "device_class": "sound", "value_template": _SPEAKING},
        "looks": {"p": "binary_sensor", "name": "Looks here", "icon": "mdi:eye", "value_template": _LOOKS},
        "tiredness": {"p": "sensor", "name": "Tiredness", "icon": "mdi:sleep", "value_template": _TIRED},
        "description": {"p": "sensor", "name": "Description", "value_template": _WORDS},
    }
    for name, part in parts.items():
        part["unique_id"] = f"mien_{tenant}_{device}_{name}"
    return json.dumps(
        {
            "device": {"identifiers": [f"mien_{tenant}_{device}"], "name": f"Mien {device}", "sw_version": software},
            "origin": {"name": "mien", "sw_version": software},
            "state_topic": topics.state(tenant, device),
            "availability": [{"topic": topics.online(tenant, device)}],
            "payload_available": "1",
            "payload_not_available": "0",
            "components": parts,
        }
    )


def _signed(name: str, field: str) -> dict[str, Any]:
    """−100 … 100; a zero is absent in the JSON of a channel that is there."""
    template = f"{_FUSED}{{{{ a.{field} | default(0) }}}}{{% endif %}}"
    return {"p": "sensor", "name": name, "state_class": "measurement", "value_template": template}
