"""A drawn face whose look can be scripted: for demos and tests on machines without a camera. Nobody's likeness."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]

_SKIN, _SHADE, _LIGHT = (150, 178, 222), (110, 138, 190), (176, 200, 238)
_HAIR, _LIP, _LIP_DARK, _MOUTH = (38, 50, 68), (96, 98, 186), (70, 66, 140), (34, 26, 64)
_WHITE, _IRIS, _PUPIL = (238, 240, 242), (98, 76, 52), (18, 16, 14)
_SHIFT = 4  # OpenCV draws with 1/16 pixel


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How the face looks. `smile` and `brow`: −1 (frown, lowered) to 1; `mouth` and `eyes`: 0 (shut) to 1 (wide open);
    `gaze`: −1 (the viewer's left) to 1."""

    smile: float = 0.0
    mouth: float = 0.0
    eyes: float = 0.75
    brow: float = 0.0
    gaze: float = 0.0

    def towards(self, other: Look, share: float) -> Look:
        """The look that lies `share` (0–1) of the way to `other`."""
        mixed = {key: (1 - share) * getattr(self, key) + share * getattr(other, key) for key in self.__slots__}
        return replace(self, **mixed)


LOOKS = {
    "neutral": Look(),
    "smile": Look(smile=1.0, mouth=0.12, eyes=0.8),
    "sad": Look(smile=-0.8, eyes=0.6, brow=0.3),
    "angry": Look(smile=-0.6, eyes=0.65, brow=-1.0),
    "surprise": Look(mouth=0.9, eyes=1.0, brow=1.0),
    "closed": Look(eyes=0.0),
}


def draw(look: Look, *, width: int = 640, height: int = 480, sway: tuple[float, float, float] = (0, 0, 0)) -> Picture:
    """A picture (height, width, 3) in BGR.

    `sway`: the head's shift to the right and down, in head heights, and its tilt, degrees, clockwise as seen.
    """
    picture = _head(width, height).copy()
    pen = _Pen(picture)
    _eyes(pen, look)
    _mouth(pen, look)
    if any(sway):
        unit = _unit(width, height)
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), -sway[2], 1.0)
        turn = np.asarray(turn) + np.array([[0, 0, sway[0]], [0, 0, sway[1]]]) * 2 * unit
        picture = np.asarray(cv2.warpAffine(picture, turn, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8)
    return picture


def _unit(width: int, height: int) -> float:
    """Pixels of half the head's height."""
    return min(width * 0.36, height * 0.36)


class _Pen:
    """Draws in head units: the face's middle is (0, 0), y points down, the chin is at 1."""

    def __init__(self, picture: Picture) -> None:
        self.picture = picture
        height, width = picture.shape[:2]
        self.unit = _unit(width, height)
        self._middle = np.array([width / 2, height * 0.53])

    def window(self, points: npt.ArrayLike) -> tuple[_Pen, Picture]:
        """A pen on a copy of the part of the picture around `points`, and that part itself."""
        pixels = self._fixed(points) >> _SHIFT
        height, width = self.picture.shape[:2]
        x0, y0 = np.clip(pixels.min(0) - 2, 0, (width, height))
        x1, y1 = np.clip(pixels.max(0) + 3, 0, (width, height))
        part = self.picture[y0:y1, x0:x1]
        pen = _Pen(part.copy())
        pen.unit, pen._middle = self.unit, self._middle - (x0, y0)
        return pen, part

    def _fixed(self, points: npt.ArrayLike) -> npt.NDArray[np.int32]:
        return np.asarray(np.round((np.asarray(points, float) * self.unit + self._middle) * (1 << _SHIFT)), np.int32)

    def fill(self, points: npt.ArrayLike, colour: tuple[int, int, int]) -> None:
        cv2.fillPoly(self.picture, [self._fixed(points)], colour, cv2.LINE_AA, _SHIFT)

    def line(self, points: npt.ArrayLike, colour: tuple[int, int, int], thick: float) -> None:
        width = max(1, round(thick * self.unit))
        cv2.polylines(self.picture, [self._fixed(points)], False, colour, width, cv2.LINE_AA, _SHIFT)

    def blob(self, x: float, y: float, rx: float, ry: float, colour: tuple[int, int, int]) -> None:
        turn = np.linspace(0, 2 * np.pi, 48, endpoint=False)
        self.fill(np.stack([x + rx * np.cos(turn), y + ry * np.sin(turn)], 1), colour)


@lru_cache(maxsize=2)
def _head(width: int, height: int) -> Picture:
    """All that does not move: room, hair, head with its shading, nose."""
    fade = np.linspace(205, 150, height)[:, None, None] * np.array([1.0, 0.98, 0.95])
    picture = np.ascontiguousarray(np.broadcast_to(fade, (height, width, 3)).astype(np.uint8))
    pen = _Pen(picture)
    pen.blob(0, 1.75, 1.15, 0.62, (120, 84, 60))  # shoulders
    pen.fill([(-0.3, 0.7), (0.3, 0.7), (0.36, 1.4), (-0.36, 1.4)], _SHADE)  # neck
    pen.blob(0, -0.28, 0.86, 0.95, _HAIR)
    pen.blob(-0.76, 0.05, 0.1, 0.2, _SHADE)
    pen.blob(0.76, 0.05, 0.1, 0.2, _SHADE)
    face = _outline()
    pen.fill(face, _SKIN)
    soft = picture.copy()
    shade = _Pen(soft)
    for side in (-1, 1):
        shade.blob(side * 0.36, -0.14, 0.24, 0.15, _SHADE)  # eye sockets
        shade.blob(side * 0.72, 0.3, 0.2, 0.6, _SHADE)  # cheeks turn away from the light
        shade.blob(side * 0.38, 0.3, 0.17, 0.13, _LIGHT)  # cheek bones
        shade.blob(side * 0.1, 0.1, 0.035, 0.25, _SHADE)  # sides of the nose
    shade.blob(0, 0.98, 0.5, 0.13, _SHADE)
    shade.blob(0, -0.55, 0.4, 0.16, _LIGHT)
    shade.blob(0, 0.1, 0.05, 0.25, _LIGHT)
    shade.blob(0, 0.76, 0.14, 0.08, _LIGHT)
    shade.blob(0, 0.69, 0.18, 0.025, _SHADE)  # under the lip
    soft = np.asarray(cv2.GaussianBlur(soft, (0, 0), pen.unit * 0.055), np.uint8)
    mask = np.zeros_like(picture)
    _Pen(mask).fill(face, (255, 255, 255))
    weight = mask.astype(np.float32) / 255
    picture[:] = np.round(soft * weight + picture * (1 - weight)).astype(np.uint8)
    pen.fill(_hairline(), _HAIR)
    for side in (-1, 1):
        pen.blob(side * 0.075, 0.325, 0.035, 0.02, (70, 84, 130))  # nostrils
        pen.line([(side * 0.13, 0.22), (side * 0.155, 0.29), (side * 0.12, 0.335)], (104, 128, 180), 0.018)
    return picture


def _outline() -> npt.NDArray[np.float64]:
    turn = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    x, y = np.cos(turn), np.sin(turn)
    jaw = 1 - 0.28 * np.maximum(y, 0.0) ** 3.2
    return np.stack([0.74 * x * jaw, y * np.where(y > 0, 1.0, 0.98)], 1)


def _hairline() -> npt.NDArray[np.float64]:
    x = np.linspace(-0.8, 0.8, 40)
    lower = -0.62 + 0.55 * np.abs(x) ** 3.2
    upper = -1.02 * np.sqrt(np.clip(1 - (x / 0.88) ** 2, 0, 1)) - 0.05
    return np.concatenate([np.stack([x, lower], 1), np.stack([x, upper], 1)[::-1]])


def _eyes(pen: _Pen, look: Look) -> None:
    smiling = max(0.0, look.smile)
    for side in (-1, 1):
        x0, y0, half = side * 0.335, -0.1, 0.15
        t = np.linspace(-1, 1, 25)
        x = x0 + half * t
        arch = 1 - t**2
        corner = y0 + 0.012 * t * -side  # outer corners lie a little higher
        lower = corner + (0.052 - 0.018 * smiling) * arch * (0.7 + 0.3 * min(1.0, look.eyes * 1.5))
        upper = lower + (corner - 0.105 * arch - lower) * min(1.0, look.eyes)
        if look.eyes > 0.05:
            opening = np.concatenate([np.stack([x, upper], 1), np.stack([x, lower], 1)[::-1]])
            pen.fill(opening, _WHITE)
            _inside(pen, opening, x0 + 0.055 * look.gaze, y0 - 0.022)
        pen.line(np.stack([x, upper], 1), (44, 46, 66), 0.028)
        if look.eyes > 0.05:
            pen.line(np.stack([x, lower], 1), (96, 112, 160), 0.012)
        pen.line(np.stack([x, upper - 0.05 * arch - 0.015], 1), (112, 136, 188), 0.014)
        b = np.linspace(-1, 1, 17)  # from the inner end to the outer
        lift = 0.07 * max(0.0, look.brow) - 0.045 * max(0.0, -look.brow)
        sorrow = max(0.0, -look.smile) * (1.0 if look.brow > 0 else 0.0)
        inner = 0.055 * max(0.0, -look.brow) - 0.05 * sorrow
        y = -0.295 - lift - 0.045 * (1 - b**2) + inner * (1 - b) / 2 + 0.02 * (b + 1) / 2
        bx = side * (0.335 + 0.02 * min(0.0, look.brow) * (1 - b) + 0.19 * b)
        pen.line(np.stack([bx, y], 1), _HAIR, 0.05)
    if look.brow < -0.3:
        for side in (-1, 1):
            pen.line([(side * 0.05, -0.3), (side * 0.045, -0.2)], _SHADE, 0.02)


def _inside(pen: _Pen, opening: npt.NDArray[np.float64], x: float, y: float) -> None:
    """Iris and pupil, cut off by the lids."""
    drawn, part = pen.window(opening)
    if part.size == 0:
        return
    drawn.blob(x, y, 0.077, 0.077, _IRIS)
    drawn.blob(x, y, 0.035, 0.035, _PUPIL)
    drawn.blob(x - 0.025, y - 0.028, 0.016, 0.016, (250, 250, 250))
    mask, _ = pen.window(opening)
    mask.picture[:] = 0
    mask.fill(opening, (255, 255, 255))
    np.copyto(part, drawn.picture, where=mask.picture > 127)


def _mouth(pen: _Pen, look: Look) -> None:
    smile, drop = look.smile, look.mouth
    half = 0.235 + 0.075 * max(0.0, smile) - 0.05 * drop * (1 - max(0.0, smile))
    t = np.linspace(-1, 1, 33)
    x, arch = half * t, 1 - t**2
    corners = 0.56 - (0.085 if smile > 0 else 0.055) * smile * np.abs(t) ** 1.7 + 0.02 * max(0.0, smile)
    gap = (0.03 * max(0.0, smile) + 0.24 * drop) * arch
    top_in, low_in = corners - 0.25 * gap, corners + 0.75 * gap
    bow = 0.012 * np.exp(-((t / 0.16) ** 2))
    top_out = top_in - (0.052 - 0.014 * max(0.0, smile)) * arch**0.7 + bow
    low_out = low_in + (0.07 - 0.012 * max(0.0, smile)) * arch**0.8
    pen.fill(np.concatenate([np.stack([x, top_out], 1), np.stack([x, low_out], 1)[::-1]]), _LIP)
    if gap.max() > 0.012:
        pen.fill(np.concatenate([np.stack([x, top_in], 1), np.stack([x, low_in], 1)[::-1]]), _MOUTH)
        teeth = np.minimum(top_in + 0.05 * arch, top_in + 0.6 * gap)
        pen.fill(np.concatenate([np.stack([x, top_in], 1), np.stack([x, teeth], 1)[::-1]]), (232, 236, 238))
    pen.line(np.stack([x, top_in], 1), _LIP_DARK, 0.014)
    for side in (-1, 1):
        if smile > 0.3:  # the fold from nose to mouth
            fold = [(side * 0.2, 0.3), (side * (half + 0.06), 0.42), (side * (half + 0.07), 0.54)]
            pen.line(fold, (116, 142, 196), 0.016)
