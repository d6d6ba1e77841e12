"""Cross-modal cues, 0–1: each needs the channels it is made of, and is absent without them."""

from __future__ import annotations

from collections.abc import Mapping

from edge.turns import Baseline
from edge.types import Affect, Attention, Prosody

_AWAY_DEG = 12.0  # gaze this far off the device, where no calibrated target is known, begins to count as averted


def cues(
    *,
    fused: Affect | None,
    voice: Affect | None,
    units: Mapping[str, float],
    attention: Attention | None,
    averted: float | None,
    prosody: Prosody | None,
    usual: Baseline,
) -> dict[str, float]:
    """The cues that the given channels allow.

    `averted`: share of the last seconds with averted gaze, 0–1, None when not known. `units`: action units, 0–1.
    """
    found: dict[str, float] = {}
    hesitant = None if prosody is None else hesitation(prosody, usual)
    if hesitant is not None and averted is not None:
        found["uncertainty"] = (hesitant * averted) ** 0.5
    if units and prosody is not None and prosody.pitch_slope_st_s is not None:
        found["masking"] = _masking(units, prosody.pitch_slope_st_s, voice)
    if fused is not None:
        found["frustration"] = _frustration(fused, units, prosody, usual)
    if attention is not None and averted is not None:
        found["interest"] = _interest(averted, units, fused)
    if units and attention is not None and attention.head_pose_deg is not None:
        found["confusion"] = _confusion(units, attention.head_pose_deg[2], fused)
    return found


def hesitation(prosody: Prosody, usual: Baseline) -> float:
    """Long pauses and slow syllables, against the person's own habit once it is known."""
    pauses = _ramp(prosody.pause_fraction, *_from(usual.usual("pause_fraction"), 0.20, 0.35))
    if prosody.rate_hz is None:
        return pauses
    typical = usual.usual("rate_hz") or 4.0  # syllables per second of ordinary English
    slow = _ramp(1 - prosody.rate_hz / typical, 0.1, 0.5)
    return max(pauses, 0.5 * (pauses + slow))


def averted_share(attention: Attention) -> float | None:
    """How far the gaze of one moment is off the device: 0 or 1 where the target is known, graded else."""
    if attention.on_target is not None:
        return 0.0 if attention.on_target else 1.0
    angle = attention.gaze_deg or (attention.head_pose_deg[:2] if attention.head_pose_deg else None)
    return None if angle is None else _ramp(max(abs(angle[0]), abs(angle[1])), _AWAY_DEG, 2 * _AWAY_DEG)


def _masking(units: Mapping[str, float], slope_st_s: float, voice: Affect | None) -> float:
    """A smile that the eyes do not join (Ekman: AU12 without AU6), while the pitch falls or the voice is unhappy."""
    smile = _ramp(units.get("smile", 0.0), 0.25, 0.6)
    eyes = _ramp(units.get("cheek_raise", 0.0), 0.15, 0.5)
    low = _ramp(-slope_st_s, 4.0, 12.0)  # a plain statement falls too, by a few semitones a second
    if voice is not None and not voice.unclear:
        low = max(low, voice.probs.get("sad", 0.0) + voice.probs.get("angry", 0.0) + voice.probs.get("fear", 0.0))
    return smile * (1 - eyes) * min(low, 1.0)


def _frustration(fused: Affect, units: Mapping[str, float], prosody: Prosody | None, usual: Baseline) -> float:
    p = fused.probs
    parts = [(3.0, p.get("angry", 0.0) + 0.6 * p.get("disgust", 0.0) + 0.6 * p.get("contempt", 0.0))]
    if units:
        parts.append((1.0, max(units.get("brow_lower", 0.0), units.get("lip_press", 0.0))))
    loud = usual.usual("energy_db")
    if prosody is not None and loud is not None:
        parts.append((1.0, _ramp(prosody.energy_db - loud, 2.0, 8.0)))
    total = sum(weight for weight, _ in parts)
    return min(1.0, sum(weight * value for weight, value in parts) / total)


def _interest(averted: float, units: Mapping[str, float], fused: Affect | None) -> float:
    lively = max(units.get("brow_raise", 0.0), units.get("smile", 0.0)) if units else 0.0
    if fused is not None:
        lively = max(lively, fused.probs.get("happy", 0.0) + fused.probs.get("surprise", 0.0))
    return (1 - averted) * (0.4 + 0.6 * min(lively, 1.0))


def _confusion(units: Mapping[str, float], roll_deg: float, fused: Affect | None) -> float:
    """Lowered brow with a tilted head, without anger."""
    anger = 0.0 if fused is None else fused.probs.get("angry", 0.0) + fused.probs.get("disgust", 0.0)
    tilt = _ramp(abs(roll_deg), 6.0, 15.0)
    return _ramp(units.get("brow_lower", 0.0), 0.2, 0.6) * (0.5 + 0.5 * tilt) * (1 - min(anger, 1.0))


def _from(usual: float | None, floor: float, width: float) -> tuple[float, float]:
    start = max(floor, (usual or 0.0) + 0.05)
    return start, start + width


def _ramp(value: float, low: float, high: float) -> float:
    return min(max((value - low) / (high - low), 0.0), 1.0)
