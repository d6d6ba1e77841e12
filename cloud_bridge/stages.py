"""One turn as stages on one axis: what the device told, what the bridge measured, and the link between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

DEVICE, LINK, BRIDGE, MODEL, VOICE = "device", "link", "bridge", "model", "voice"
LANES = (DEVICE, LINK, BRIDGE, MODEL, VOICE)


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage. Times in milliseconds after the turn's last speech; a moment has no length."""

    lane: str
    name: str
    start_ms: float
    end_ms: float


def link_ms(device: Mapping[str, float], bridge: Mapping[str, float]) -> float | None:
    """Both ways together: what passed between the turn's end and the first sound at the device, less what passed
    between them at the bridge. None where either did not tell."""
    if not {"turn_end_ms", "reply_ms"} <= device.keys() or "first_audio" not in bridge:
        return None
    return max(0.0, device["reply_ms"] - device["turn_end_ms"] - bridge["first_audio"])


def stages(device: Mapping[str, float], bridge: Mapping[str, float]) -> list[Stage]:
    """The stages that are known, in order of time.

    `device`: the fields of the wire's `Stages`. `bridge`: `Report.ms`, counted from the arrival of the turn's end. The
    clocks of both ends are never compared: the link's time is split evenly between its two ways.
    """
    both_ms = link_ms(device, bridge)
    one_way_ms = (both_ms or 0.0) / 2
    zero_ms = device.get("turn_end_ms", 0.0) + one_way_ms
    at = {name: zero_ms + value for name, value in bridge.items()}
    found = [*_device(device), *_bridge(at)]
    if both_ms is not None:
        found.append(Stage(LINK, "up", device["turn_end_ms"], zero_ms))
        found.append(Stage(LINK, "down", at["first_audio"], max(at["first_audio"], device["reply_ms"])))
    return sorted(found, key=lambda one: (one.start_ms, one.end_ms))


def _device(told: Mapping[str, float]) -> Iterator[Stage]:
    if "turn_maybe_ms" in told:
        yield Stage(DEVICE, "may be over", 0.0, told["turn_maybe_ms"])
    if "turn_end_ms" in told:
        yield Stage(DEVICE, "is over", told.get("turn_maybe_ms", 0.0), told["turn_end_ms"])
    if "words_ms" in told:
        yield Stage(DEVICE, "words sent", told["words_ms"], told["words_ms"])
    if {"turn_end_ms", "first_sound_ms"} <= told.keys():
        heard_ms = told["first_sound_ms"]
        came_ms = told.get("reply_ms", heard_ms)
        ahead = came_ms >= heard_ms  # an opening that was sent ahead was there before
        yield Stage(DEVICE, "first sound", told["turn_end_ms"] if ahead else came_ms, heard_ms)


def _bridge(at: Mapping[str, float]) -> Iterator[Stage]:
    for lane, name, start, end in (
        (BRIDGE, "first sound sent", "released", "first_audio"),
        (BRIDGE, "waits for words", "released", "words"),
        (MODEL, "first token", "model_asked", "model_first"),
        (MODEL, "first clause", "model_first", "model_sentence"),
        (MODEL, "the rest", "model_sentence", "model_done"),
        (VOICE, "first sound", "voice_asked", "voice_first"),
        (BRIDGE, "answer sent", "voice_first", "answer_audio"),
        (BRIDGE, "all sent", "answer_audio", "done"),
    ):
        if start in at and end in at:
            yield Stage(lane, name, min(at[start], at[end]), at[end])


def facts(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a history's turn tells beside its stages; never what was said."""
    return {
        name: row[name] for name in ("turn", "outcome", "tone", "speculative", "model", "tokens", "cost") if name in row
    }
