"""From the device's floats to the scaled integers of the wire."""

from __future__ import annotations

from edge.types import EMOTIONS, Affect, PersonState
from edge.wire import mien_pb2
from edge.wire.limits import shorten

_LEVELS = {
    "calibrating": mien_pb2.Drowsiness.CALIBRATING,
    "alert": mien_pb2.Drowsiness.ALERT_,
    "tired": mien_pb2.Drowsiness.TIRED,
    "drowsy": mien_pb2.Drowsiness.DROWSY,
}
_BETWEEN = {
    "words_voice": mien_pb2.Incongruence.WORDS_VOICE,
    "voice_face": mien_pb2.Incongruence.VOICE_FACE,
    "words_face": mien_pb2.Incongruence.WORDS_FACE,
}


def ms(seconds: float) -> int:
    """Milliseconds in 32 bits where the field is one; a time that lies ahead counts as now."""
    return max(0, min(round(seconds * 1_000), 0xFFFFFFFF))


def _pct(fraction: float) -> int:
    return max(0, min(round(fraction * 100), 100))


def _signed_pct(value: float) -> int:
    return max(-100, min(round(value * 100), 100))


def fill_state(wire: mien_pb2.State, state: PersonState, now_s: float) -> None:
    """Put `state` into `wire` as it stands at monotonic time `now_s`."""
    late_ms = ms(now_s - state.t_s)  # ages on the wire count from the envelope's mono_ms
    wire.person = state.person
    if state.speaking is not None:
        wire.speaking = state.speaking
    for name in ("face", "voice", "fused"):
        affect: Affect | None = getattr(state, name)
        if affect is not None:
            _fill_affect(getattr(wire, name), affect, late_ms)
    if state.attention is not None:
        _fill_attention(wire.attention, state, late_ms)
    if (tired := state.drowsiness) is not None:
        wire.drowsiness.level = _LEVELS[tired.level]
        wire.drowsiness.yawning = tired.yawning
        if tired.perclos is not None:
            wire.drowsiness.perclos_pct = _pct(tired.perclos)
        if tired.blink_per_min is not None:
            wire.drowsiness.blink_per_min = max(0, round(tired.blink_per_min))
    for clash in sorted(state.incongruence, key=lambda clash: -clash.strength)[:3]:
        wire.incongruence.add(
            between=_BETWEEN[clash.between], strength_pct=_pct(clash.strength), evidence=shorten(clash.evidence, 96)
        )
    for cue, value in state.cues.items():
        if _pct(value):
            wire.cues_pct[shorten(cue, 32)] = _pct(value)
    wire.trend = shorten(state.trend or "", 96)


def _fill_affect(wire: mien_pb2.Affect, affect: Affect, late_ms: int) -> None:
    known = max((i for i, name in enumerate(EMOTIONS) if name in affect.probs), default=-1) + 1
    wire.probs_pct.extend(_pct(affect.probs.get(name, 0.0)) for name in EMOTIONS[:known])
    wire.valence = _signed_pct(affect.valence)
    wire.arousal = _signed_pct(affect.arousal)
    if affect.confidence is not None:
        wire.confidence_pct = _pct(affect.confidence)
    wire.unclear = affect.unclear
    wire.age_ms = min(ms(affect.age_ms / 1_000) + late_ms, 0xFFFFFFFF)
    wire.derived = affect.derived


def _fill_attention(wire: mien_pb2.Attention, state: PersonState, late_ms: int) -> None:
    attention = state.attention
    assert attention is not None
    if attention.head_pose_deg is not None:
        yaw, pitch, roll = (round(angle) for angle in attention.head_pose_deg)
        wire.head_yaw_deg, wire.head_pitch_deg, wire.head_roll_deg = yaw, pitch, roll
    if attention.gaze_deg is not None:
        wire.gaze_yaw_deg, wire.gaze_pitch_deg = (round(angle) for angle in attention.gaze_deg)
    if attention.on_target is not None:
        wire.on_target = attention.on_target
    wire.away_ms = ms(attention.away_s)
    wire.age_ms = min(ms(attention.age_ms / 1_000) + late_ms, 0xFFFFFFFF)
