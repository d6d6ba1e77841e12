"""Angles and ratios of a face from its landmarks: head pose, gaze, eye and mouth opening.

Landmarks have the numbers of Google's face mesh. The head's own frame is in cm: x to the person's left, y up, z out of
the face; it has the size of an average adult's head, which a rigid fit scales to the picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Points = npt.NDArray[np.float32]

# Points that move little with expression, cm, rounded; from MediaPipe's canonical face model (Apache-2.0). The middle
# ones have x = 0; of the others (right, left) the left one is given and the right one is its mirror image.
_MIDDLE = {
    1: (-1.13, 7.48),
    2: (-2.09, 6.06),
    4: (-0.46, 7.59),
    5: (0.37, 7.24),
    6: (2.47, 5.79),
    8: (4.02, 5.28),
    9: (4.89, 5.39),
    10: (8.26, 4.48),
    151: (6.55, 5.03),
    152: (-9.40, 4.26),
    168: (3.27, 5.24),
    195: (1.06, 6.77),
    197: (1.73, 6.32),
}
_PAIRS = {
    (33, 263): (4.45, 2.66, 3.17),
    (133, 362): (1.86, 2.59, 3.76),
    (129, 358): (1.79, -0.98, 4.85),
    (98, 327): (1.41, -1.71, 5.24),
    (172, 397): (5.94, -6.22, -0.63),
    (136, 365): (5.09, -7.18, 0.71),
    (234, 454): (7.66, 0.67, -2.44),
}
_INDEX = np.array([*_MIDDLE, *(right for right, _ in _PAIRS), *(left for _, left in _PAIRS)], np.intp)
_HEAD = np.array(
    [(0.0, y, z) for y, z in _MIDDLE.values()] + [(-x, y, z) for x, y, z in _PAIRS.values()] + list(_PAIRS.values()),
    np.float64,
)
_HEAD_MIDDLE = _HEAD.mean(axis=0)
_HEAD_SPREAD = _HEAD - _HEAD_MIDDLE
_HEAD_SQUARES = float((_HEAD_SPREAD**2).sum())

# Outer corner, upper lid outer and inner, inner corner, lower lid inner and outer: of the person's right and left eye.
_LIDS = np.array([[33, 160, 158, 133, 153, 144], [263, 387, 385, 362, 380, 373]], np.intp)
_LIPS = np.array([13, 14, 78, 308], np.intp)  # inner: upper, lower, right and left corner

# The eyeball. Where it turns, cm from the middle of the corners of the lids, in the head's frame; and how far from
# there the iris lies. Anatomy says about (0, 0.1, -0.4) and 1.03 (Fry & Hill 1962); the rest makes up for how the net
# places corners, and for the iris, whose ups and downs it shows at half their size. Fitted on drawn heads, of the
# same renderer that the benchmark uses: real eyes are not shown to follow it.
_EYES = np.array([468, 473, 33, 263, 133, 362], np.intp)  # irises, outer and inner corners; right and left each
_EYE_MIDDLE = np.array([0.0, 0.12, -0.8])
_IRIS_AT = 0.95
_UP_DOWN_GAIN = 1.8
# Up to here the eyes are believed; from there on less, then not at all, and the head alone tells: on turned heads the
# net's irises err by more than eyes commonly turn.
_EYES_SEEN_DEG, _EYES_GONE_DEG = 20.0, 40.0


@dataclass(frozen=True, slots=True)
class Pose:
    """Where the head points. Degrees, signs as in `edge.types.HeadPose`, against the line from camera to face.
    `rotation`: float64 (3, 3), head to viewer (x right, y up, z towards the viewer); `scale`: pixels per cm."""

    yaw_deg: float
    pitch_deg: float
    roll_deg: float
    rotation: Floats
    scale: float
    origin: Floats  # of the head's frame, in viewer axes, pixels


def head_pose(points: Points) -> Pose:
    """Rigid fit with scale (Umeyama 1991) of the reference points. `points`: float32 (478, 3), pixels of an upright
    picture."""
    seen = _viewer(points[_INDEX])
    u, d, vt = np.linalg.svd(seen.T @ _HEAD_SPREAD)  # deviations from the head's middle: seen's own drops out
    rotation: Floats = u @ vt
    if _volume(rotation) < 0:  # a mirror image is no turn
        d[2] = -d[2]
        rotation = (u * (1.0, 1.0, -1.0)) @ vt
    scale = float(d.sum()) / _HEAD_SQUARES
    yaw, pitch = _angles(*rotation[:, 2].tolist())
    upright = _turned(yaw, pitch).T @ rotation[:, 0]
    roll = -math.degrees(math.atan2(upright[1], upright[0]))
    return Pose(yaw, pitch, roll, rotation, scale, seen.mean(axis=0) - scale * rotation @ _HEAD_MIDDLE)


def gaze(points: Points, pose: Pose) -> tuple[float, float] | None:
    """Yaw and pitch, degrees, of head and eyes together: the iris' place on an eyeball of average size.

    Both eyes are averaged, the nearer eye counting more when the head is turned. The farther it is turned, the more the
    head alone tells; None beyond 60°.
    """
    if pose.rotation[2, 2] < 0.5:  # beyond 60°
        return None
    seen = _viewer(points[_EYES])  # irises, then right and left corners
    centres = (seen[2:4] + seen[4:]) / 2 + pose.scale * pose.rotation @ _EYE_MIDDLE
    aside = (seen[:2] - centres)[:, :2] / (pose.scale * _IRIS_AT)  # z of the iris is not to be trusted
    x, y = near_eye(aside, pose).tolist()
    far = math.hypot(x, y)
    if far > 0.98:
        x, y = x * 0.98 / far, y * 0.98 / far
    yaw, pitch = _angles(*(pose.rotation.T @ (x, y, math.sqrt(1.0 - x * x - y * y))).tolist())
    pitch = min(max(pitch * _UP_DOWN_GAIN, -40.0), 40.0)
    turned = math.degrees(math.acos(min(float(pose.rotation[2, 2]), 1.0)))
    sure = min(max((_EYES_GONE_DEG - turned) / (_EYES_GONE_DEG - _EYES_SEEN_DEG), 0.0), 1.0)
    yaw, pitch = yaw * sure, pitch * sure
    return _angles(*(pose.rotation @ _turned(yaw, pitch)[:, 2]).tolist())


def near_eye(values: Floats, pose: Pose) -> Floats:
    """Mean of what the right and the left eye say, (2, ...); the nearer eye counts more when the head is turned."""
    left = min(max(0.5 - 1.2 * float(pose.rotation[0, 2]), 0.0), 1.0)  # turned to its left, the right eye is nearer
    mean: Floats = (1.0 - left) * values[0] + left * values[1]
    return mean


def eye_aspect_ratio(points: Points) -> Floats:
    """Height over width of the right and the left eye (Soukupová & Čech 2016), in three dimensions: float64 (2,)."""
    p = points[_LIDS].astype(np.float64)
    apart = p[:, [1, 2, 0]] - p[:, [5, 4, 3]]
    lengths = np.sqrt((apart * apart).sum(axis=2))
    ratio: Floats = (lengths[:, 0] + lengths[:, 1]) / np.maximum(2 * lengths[:, 2], 1e-6)
    return ratio


def mouth_open(points: Points) -> float:
    """Gap between the inner lips over the mouth's width; about 0 shut, 0.3 in speech, above 0.6 in a yawn."""
    upper, lower, right, left = points[_LIPS].tolist()
    return math.dist(upper, lower) / max(math.dist(right, left), 1e-6)


def _viewer(points: Points) -> Floats:
    """From picture axes (y down, z away) to viewer axes."""
    return points.astype(np.float64) * (1.0, -1.0, -1.0)


def _volume(rotation: Floats) -> float:
    """The determinant, of three by three."""
    (a, b, c), (d, e, f), (g, h, i) = rotation.tolist()
    return float(a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g))


def _angles(x: float, y: float, z: float) -> tuple[float, float]:
    """Yaw and pitch, degrees, of a direction in viewer axes."""
    return math.degrees(math.atan2(x, z)), math.degrees(math.atan2(y, math.hypot(x, z)))


def _turned(yaw_deg: float, pitch_deg: float) -> Floats:
    """The rotation by yaw about y after pitch about x."""
    a, b = math.radians(yaw_deg), math.radians(pitch_deg)
    cos_a, sin_a, cos_b, sin_b = math.cos(a), math.sin(a), math.cos(b), math.sin(b)
    return np.array(
        [[cos_a, -sin_a * sin_b, sin_a * cos_b], [0.0, cos_b, sin_b], [-sin_a, -cos_a * sin_b, cos_a * cos_b]]
    )
