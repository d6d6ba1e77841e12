"""A shaded head of known pose, gaze and lids, drawn with numpy: something to judge perception against.

The head is an implicit surface (ellipsoids joined smoothly), sampled once along rays from its middle and then drawn as
depth-sorted dots. It shares nothing with the networks: its angles are those that it was turned by.
Axes, in cm: x to the viewer's right (the person's left), y up, z towards the viewer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_EYES = np.array([[-3.15, 2.55, 3.05], [3.15, 2.55, 3.05]])  # the person's right, left
_EYE_R = 1.22
_EYE_SHAPE = np.array([1.85, _EYE_R, _EYE_R])  # the ball, drawn out to the corners of the lids
_IRIS_AT = 1.03  # the pupil lies 3.05 mm behind the cornea, the centre of rotation 13.4 mm (Fry & Hill 1962)
_SKIN = np.array([150.0, 178, 226])  # BGR
_LIP = np.array([105.0, 110, 190])
_HAIR = np.array([32.0, 42, 58])
_DISTANCE = 55.0  # from the camera to the head's middle


@dataclass(frozen=True)
class Look:
    """What the head does. Angles in degrees, signs as in `edge.types.HeadPose`; eye angles are against the head.
    `open` and `mouth`: 0 shut – 1 wide; `smile`: 0–1."""

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    eye_yaw: float = 0.0
    eye_pitch: float = 0.0
    open: float = 1.0
    mouth: float = 0.0
    smile: float = 0.0


def turn(yaw: float, pitch: float, roll: float) -> Floats:
    """The rotation, float64 (3, 3), of a head that first tilts, then nods, then turns."""
    a, b, c = np.radians([yaw, pitch, -roll])
    about_y = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), np.sin(b)], [0, -np.sin(b), np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    rotation: Floats = about_y @ about_x @ about_z
    return rotation


def direction(yaw: float, pitch: float) -> Floats:
    """The unit vector, float64 (3,), of a look."""
    return turn(yaw, pitch, 0.0)[:, 2]


def draw(
    look: Look, size: tuple[int, int] = (640, 480), face: float = 150.0, at: tuple[float, float] | None = None
) -> npt.NDArray[np.uint8]:
    """A BGR picture, uint8 (h, w, 3). `face`: width of the face in pixels; `at`: where its middle is."""
    points, normals, albedo = _coloured(look)
    rotation = turn(look.yaw, look.pitch, look.roll)
    p, n = points @ rotation.T, normals @ rotation.T
    over = 2 if face < 260 else 1
    scale = face / 15.0 * over
    depth = _DISTANCE - p[:, 2]
    middle = at or (size[0] / 2, size[1] * 0.5)
    width, height = size[0] * over, size[1] * over
    u = middle[0] * over + p[:, 0] / depth * _DISTANCE * scale
    v = middle[1] * over - p[:, 1] / depth * _DISTANCE * scale
    towards = -p + np.array([0, 0, _DISTANCE])
    seen = ((n * towards).sum(axis=1) > 0) & (u > 1) & (v > 1) & (u < width - 2) & (v < height - 2)
    light = np.array([-0.35, 0.55, 0.76])
    shade = 0.5 + 0.55 * np.clip(n @ light, 0, None) + 0.12 * np.clip(n[:, 2], 0, 1)
    colour = np.clip(albedo * shade[:, None], 0, 255)
    picture = np.empty((height, width, 3), np.uint8)
    picture[:] = (168, 160, 150)
    picture[:] = (picture * np.linspace(1.1, 0.8, height)[:, None, None]).astype(np.uint8)
    _shoulders(picture, middle[0] * over, middle[1] * over, scale)
    order = np.flatnonzero(seen)[np.argsort(p[seen, 2])]
    x, y, c = u[order].astype(np.intp), v[order].astype(np.intp), colour[order].astype(np.uint8)
    for dx, dy in ((1, 1), (1, 0), (0, 1), (0, 0)):
        picture[y + dy, x + dx] = c
    smooth = cv2.medianBlur(picture, 3)
    return np.asarray(smooth if over == 1 else cv2.resize(smooth, size, interpolation=cv2.INTER_AREA), np.uint8)


def _shoulders(picture: npt.NDArray[np.uint8], x: float, y: float, scale: float) -> None:
    neck = np.array([[-5, 0], [5, 0], [6, 19], [-6, 19]]) * scale + (x, y)
    cv2.fillPoly(picture, [neck.astype(np.int32)], (118, 142, 186))
    cv2.ellipse(picture, (int(x), int(y + 27 * scale)), (int(22 * scale), int(12 * scale)), 0, 0, 360, (96, 72, 52), -1)


# ---------------------------------------------------------------- the surface


def _ellipsoid(p: Floats, centre: tuple[float, float, float], radii: tuple[float, float, float]) -> Floats:
    q = (p - np.array(centre)) / np.array(radii)
    return np.asarray((np.linalg.norm(q, axis=-1) - 1.0) * min(radii))


def _join(a: Floats, b: Floats, blend: float) -> Floats:
    h = np.clip(0.5 + 0.5 * (b - a) / blend, 0, 1)
    return b * (1 - h) + a * h - blend * h * (1 - h)


def _carve(a: Floats, b: Floats, blend: float) -> Floats:
    return np.asarray(-_join(-a, b, blend))


def _surface(points: Floats) -> Floats:
    """Signed distance; the head is symmetric, so only one side is described."""
    p = points.copy()
    p[..., 0] = np.abs(p[..., 0])
    d = _ellipsoid(p, (0, 3.2, -3.2), (7.5, 9.3, 9.3))  # skull
    d = _join(d, _ellipsoid(p, (0, -1.2, -0.8), (6.7, 9.0, 6.2)), 1.5)
    d = _join(d, _ellipsoid(p, (0, 5.0, 0.4), (6.0, 3.6, 4.6)), 1.5)  # forehead
    d = _join(d, _ellipsoid(p, (0, -7.6, 2.1), (3.0, 2.1, 2.6)), 2.2)  # chin
    d = _join(d, _ellipsoid(p, (4.2, -0.6, 1.9), (2.3, 1.9, 2.2)), 1.4)  # cheekbone
    d = _join(d, _ellipsoid(p, (2.9, 4.4, 3.3), (2.6, 0.8, 0.9)), 1.1)  # brow ridge
    d = _carve(d, _ellipsoid(p, (3.2, 2.6, 5.0), (1.9, 1.5, 1.3)), 0.9)  # eye socket
    for t in np.linspace(0, 1, 6):  # nose
        d = _join(d, _ellipsoid(p, (0, 2.7 - 2.9 * t, 4.5 + 1.75 * t), (0.62 + 0.4 * t,) * 3), 0.7)
    d = _join(d, _ellipsoid(p, (1.05, -0.75, 5.15), (0.75, 0.6, 0.8)), 0.4)
    d = _join(d, _ellipsoid(p, (0, -4.2, 3.9), (3.2, 2.2, 1.5)), 1.0)  # around the mouth
    d = _join(d, _ellipsoid(p, (0, -3.65, 5.2), (2.1, 0.42, 0.5)), 0.35)  # lips
    d = _join(d, _ellipsoid(p, (0, -4.65, 5.1), (1.8, 0.5, 0.5)), 0.35)
    d = _join(d, _ellipsoid(p, (7.5, 1.0, -3.0), (0.7, 2.9, 1.7)), 0.4)  # ear
    return np.asarray(np.minimum(d, (np.linalg.norm((p - _EYES[1]) / _EYE_SHAPE, axis=-1) - 1) * _EYE_R))


@cache
def _sampled() -> tuple[Floats, Floats]:
    """Points and normals of the surface, float64 (n, 3) each."""
    azimuth = _degrees((-180, -84, 40), (-80, 80, 280), (84, 180, 40))
    elevation = _degrees((-75, -52, 16), (-50, 45, 190), (47, 89, 24))
    middle = np.array([0.0, 0.5, -2.5])
    rays = _rays(azimuth, elevation)
    low, high = np.full(rays.shape[:2], 3.0), np.full(rays.shape[:2], 16.0)
    for _ in range(16):
        half = (low + high) / 2
        inside = _surface(middle + rays * half[..., None]) < 0
        low, high = np.where(inside, half, low), np.where(inside, high, half)
    fine_a = np.interp(np.linspace(0, 1, 3 * len(azimuth)), np.linspace(0, 1, len(azimuth)), azimuth)
    fine_e = np.interp(np.linspace(0, 1, 3 * len(elevation)), np.linspace(0, 1, len(elevation)), elevation)
    rows = np.interp(fine_e, elevation, np.arange(len(elevation))).astype(np.float32)
    columns = np.interp(fine_a, azimuth, np.arange(len(azimuth))).astype(np.float32)
    radius = cv2.remap(low, *np.meshgrid(columns, rows), cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    grid = middle + _rays(fine_a, fine_e) * radius[..., None]
    for centre in _EYES:  # the eyeballs are to be exact
        offset = (grid - centre) / _EYE_SHAPE
        distance = np.linalg.norm(offset, axis=-1, keepdims=True)
        grid = np.where(np.abs(distance - 1) < 0.03, centre + offset / distance * _EYE_SHAPE, grid)
    normals = np.cross(np.gradient(grid, axis=1), np.gradient(grid, axis=0))
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True) + 1e-12
    return grid.reshape(-1, 3), normals.reshape(-1, 3)


def _degrees(*ranges: tuple[float, float, int]) -> Floats:
    return np.asarray(np.radians(np.concatenate([np.linspace(*one) for one in ranges])))


def _rays(azimuth: Floats, elevation: Floats) -> Floats:
    a, e = np.meshgrid(azimuth, elevation)
    return np.stack([np.sin(a) * np.cos(e), np.sin(e), np.cos(a) * np.cos(e)], axis=-1)


# ---------------------------------------------------------------- its colours


@cache
def _skin() -> Floats:
    points, normals = _sampled()
    x, y, z = np.abs(points[:, 0]), points[:, 1], points[:, 2]
    grain = np.random.default_rng(7).normal(0, 2.0, len(points))[:, None]
    colour = np.tile(_SKIN, (len(points), 1)) + grain
    cheek = np.exp(-(((x - 4.2) / 1.6) ** 2 + ((y + 1.2) / 1.4) ** 2))[:, None]
    colour = colour * (1 - 0.25 * cheek) + np.array([130.0, 140, 222]) * 0.25 * cheek
    socket = np.exp(-(((x - 3.15) / 1.7) ** 2 + ((y - 2.6) / 1.1) ** 2))[:, None]
    colour *= 1 - 0.22 * socket * (z > 2)[:, None]
    under_nose = (x < 1.5) & (y < -0.9) & (y > -1.7) & (z > 4.2)
    colour[under_nose] *= 0.78
    nostril = (((x - 0.62) / 0.34) ** 2 + ((y + 1.15) / 0.2) ** 2 < 1) & (z > 4.5)
    colour[nostril] *= 0.35
    bow = 4.75 + 0.35 * np.cos((x - 3.4) * 1.1) - 0.05 * x
    brow = (x > 1.2) & (x < 5.2) & (np.abs(y - bow + 0.25) < 0.36 - 0.05 * np.abs(x - 2.4)) & (z > 1)
    colour[brow] = _HAIR * 1.2
    hair = (y > 8.3 - 0.05 * x**2) | ((x > 5.9) & (y > 2.2) & (z < 1.2)) | ((z < -4.2) & (y > -5))
    ear = (x > 7.05) & (np.abs(y - 1.0) < 3) & (z > -5)
    colour[hair & ~ear] = _HAIR + np.random.default_rng(8).normal(0, 6, (int((hair & ~ear).sum()), 1))
    colour *= (0.82 + 0.18 * np.clip(normals[:, 1] + 0.9, 0, 1))[:, None]  # light comes mostly from above
    return colour


def _coloured(look: Look) -> tuple[Floats, Floats, Floats]:
    points, normals = _sampled()
    points = points.copy()
    colour = _skin().copy()
    x, y, z = points[:, 0], points[:, 1], points[:, 2]
    _paint_mouth(colour, x, y, z, look)
    gaze = direction(look.eye_yaw, look.eye_pitch)
    for centre in _EYES:
        near = np.flatnonzero(np.abs(np.linalg.norm((points - centre) / _EYE_SHAPE, axis=1) - 1) < 1e-6)
        colour[near] = _eye(points[near] - centre, gaze, look.open, look.eye_pitch)
    if look.mouth > 0:  # the jaw drops
        share = np.clip((-3.9 - y) / 1.5, 0, 1) * np.clip((z + 3) / 4, 0, 1)
        points[:, 1] -= 2.6 * look.mouth * share
    return points, normals, colour


def _paint_mouth(colour: Floats, x: Floats, y: Floats, z: Floats, look: Look) -> None:
    half = 2.45 + 0.45 * look.smile
    line = -4.1 + 0.5 * look.smile * (x / half) ** 2 * 1.6
    arch = np.clip(1 - (x / half) ** 2, 0, 1)
    lips = (np.abs(x) < half) & (y < line + 0.75 * arch) & (y > line - 0.95 * arch) & (z > 3)
    colour[lips] = _LIP
    gap = 0.05 + 0.42 * look.mouth
    inside = (np.abs(x) < half) & (y < line + 0.06) & (y > line - 0.06 - gap * np.sqrt(arch)) & (z > 3)
    colour[inside] = (38, 30, 62)


def _eye(offset: Floats, gaze: Floats, openness: float, pitch: float) -> Floats:
    """Colours of points on an eyeball; lids are painted on it, and follow the look up and down as real ones do."""
    flat = offset[:, :2] / _EYE_R
    d = np.column_stack([flat, np.sqrt(np.clip(1 - (flat**2).sum(axis=1), 0, 1))])
    across = np.clip(np.abs(offset[:, 0]) / 1.5, 0, 1)
    almond = np.sqrt(1 - across**2)
    follow = np.sin(np.radians(pitch))
    lower = -0.06 + (0.25 * follow - 0.34) * almond
    upper = lower + np.maximum(0.84 + 0.5 * follow, 0.25) * almond * openness
    aside = gaze[:2] * (_IRIS_AT / _EYE_R)
    drawn = np.array([*aside, np.sqrt(1 - aside @ aside)])
    turned = np.degrees(np.arccos(np.clip(d @ drawn, -1, 1)))
    colour = np.full((len(d), 3), 226.0)
    colour[turned < 29] = (92, 84, 74)
    colour[turned < 26.5] = (70, 96, 122)
    colour[turned < 12] = 16
    glint = direction(-12, 18)
    colour[(d @ glint) > 0.9985] = 250
    lid = (d[:, 1] > upper) | (d[:, 1] < lower)
    shade = 0.86 - 0.1 * np.clip(d[:, 1], 0, 1)
    colour[lid] = _SKIN * shade[lid, None]
    colour[np.abs(d[:, 1] - upper) < 0.07] = (34, 36, 48)
    colour[(np.abs(d[:, 1] - lower) < 0.025) & ~(np.abs(d[:, 1] - upper) < 0.07)] = (96, 104, 146)
    shadow = (d[:, 1] < upper - 0.07) & (d[:, 1] > upper - 0.2) & ~lid
    colour[shadow] *= 0.72
    return colour
