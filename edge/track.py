"""What is known of one voice and of one face, and how it reads now: plain records, filled by `edge.state`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from edge.channel import AffectChannel
from edge.cues import averted_share
from edge.types import (
    Attention,
    Drowsiness,
    Eyes,
    FaceAffect,
    FaceSeen,
    Gaze,
    HeadPose,
    Observation,
    Prosody,
    Words,
)

ANGLES_S, EYES_S, VOICE_S = 1.0, 3.0, 6.0  # older than this is stale
_TURNED_DEG = 40.0  # with the head turned this far the person looks elsewhere, even where the eyes cannot be read
_AVERTED_TAU_S = 2.0

Box = tuple[float, float, float, float]


@dataclass(slots=True)
class Voice:
    """What was heard from one person (or from nobody in view)."""

    affect: AffectChannel = field(default_factory=lambda: AffectChannel(tau_s=0.35, fresh_s=1.5, horizon_s=VOICE_S))
    prosody: Prosody | None = None
    words: Words | None = None
    newest_s: float = -math.inf


@dataclass(slots=True)
class Face:
    """What was seen of one person."""

    affect: AffectChannel = field(default_factory=lambda: AffectChannel(tau_s=0.35, fresh_s=0.7, horizon_s=2.0))
    units: FaceAffect | None = None
    seen: FaceSeen | None = None
    pose: HeadPose | None = None
    gaze: Gaze | None = None
    eyes: Eyes | None = None
    newest_s: float = -math.inf
    away_from_s: float | None = None
    averted: float | None = None
    averted_s: float = -math.inf
    box: Box | None = None


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes (x, y, w, h)."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (a[2] * a[3] + b[2] * b[3] - shared)


def fresh(seen: Observation | None, now_s: float, horizon_s: float) -> bool:
    """Whether `seen` is there and no older than `horizon_s`."""
    return seen is not None and now_s - seen.t_s <= horizon_s


def attention(face: Face, now_s: float) -> Attention | None:
    """Where the face looks now; None where neither head nor eyes are known."""
    pose = face.pose if fresh(face.pose, now_s, ANGLES_S) else None
    gaze = face.gaze if fresh(face.gaze, now_s, ANGLES_S) else None
    if pose is None and gaze is None:
        face.away_from_s = None
        return None
    on_target = None if gaze is None else gaze.on_target
    if pose is not None and abs(pose.yaw_deg) > _TURNED_DEG and gaze is None:
        on_target = False
    newest_s = max(part.t_s for part in (pose, gaze) if part is not None)
    if on_target is False:
        face.away_from_s = newest_s if face.away_from_s is None else face.away_from_s
    else:  # where nobody knows, nobody has looked away for so long
        face.away_from_s = None
    looks = Attention(
        head_pose_deg=None if pose is None else (pose.yaw_deg, pose.pitch_deg, pose.roll_deg),
        gaze_deg=None if gaze is None else (gaze.yaw_deg, gaze.pitch_deg),
        on_target=on_target,
        away_s=0.0 if face.away_from_s is None else max(0.0, now_s - face.away_from_s),
        age_ms=max(0.0, (now_s - newest_s) * 1000),
    )
    share = averted_share(looks)
    if share is not None and newest_s > face.averted_s:
        weight = 1 - math.exp(-(newest_s - face.averted_s) / _AVERTED_TAU_S)
        face.averted = share if face.averted is None else face.averted + weight * (share - face.averted)
        face.averted_s = newest_s
    return looks


def drowsiness(eyes: Eyes | None, now_s: float) -> Drowsiness | None:
    """The eyes' tiredness, while it is fresh."""
    if eyes is None or now_s - eyes.t_s > EYES_S:
        return None
    return Drowsiness(
        level=eyes.drowsiness,
        perclos=eyes.perclos,
        blink_per_min=eyes.blink_per_min,
        window_s=eyes.window_s,
        yawning=eyes.yawning,
        age_ms=max(0.0, (now_s - eyes.t_s) * 1000),
    )
