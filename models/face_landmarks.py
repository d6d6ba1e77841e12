"""478 points of a face: Google's face mesh with irises (Kartynnik et al. 2019; Grishchenko et al. 2020), 256×256."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from models.errors import InputError
from models.face_detector import Detection, Picture
from models.face_session import open_face
from models.session import Session

INPUT_SIZE = 256
POINTS = 478
RIGHT_EYE_OUTER, LEFT_EYE_OUTER = 33, 263  # of the person; the right eye is on the viewer's left
_MARGIN = 1.5  # side of the square around a face, over the face's longer side

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Roi:
    """A square around a face. `x`, `y`: its middle; `side`: pixels; `angle`: radians, + turns clockwise as seen."""

    x: float
    y: float
    side: float
    angle: float

    def matrix(self, size: int) -> npt.NDArray[np.float64]:
        """The affine map, float64 (2, 3), from the picture into the square drawn `size` pixels wide."""
        scale = size / self.side
        cos, sin = np.cos(self.angle) * scale, np.sin(self.angle) * scale
        return np.array(
            [
                [cos, sin, size / 2 - cos * self.x - sin * self.y],
                [-sin, cos, size / 2 + sin * self.x - cos * self.y],
            ]
        )


@dataclass(frozen=True, slots=True)
class Face:
    """Landmarks of one face. `points`: float32 (478, 3), x and y in pixels of the picture, z in the same scale,
    smaller = nearer the camera. `presence`: 0–1, of the net; not calibrated. `roi`: the square that was looked at."""

    points: Floats
    presence: float
    roi: Roi


def roi_from_detection(found: Detection) -> Roi:
    """Where to look for the landmarks of a face that the detector found."""
    x, y, w, h = found.box
    right, left = found.keypoints[0], found.keypoints[1]
    return Roi(x + w / 2, y + h / 2, _MARGIN * max(w, h), float(np.arctan2(left[1] - right[1], left[0] - right[0])))


def roi_from_landmarks(points: Floats) -> Roi:
    """Where to look for the landmarks next, from those of the last picture: the eyes' line is laid level."""
    right, left = points[RIGHT_EYE_OUTER], points[LEFT_EYE_OUTER]
    angle = float(np.arctan2(left[1] - right[1], left[0] - right[0]))
    cos, sin = np.cos(angle), np.sin(angle)
    along = points[:, 0] * cos + points[:, 1] * sin
    across = points[:, 1] * cos - points[:, 0] * sin
    low_a, high_a, low_c, high_c = along.min(), along.max(), across.min(), across.max()
    middle_a, middle_c = (low_a + high_a) / 2, (low_c + high_c) / 2
    side = _MARGIN * float(max(high_a - low_a, high_c - low_c))
    return Roi(float(middle_a * cos - middle_c * sin), float(middle_a * sin + middle_c * cos), side, angle)


class FaceLandmarks:
    """Reads the 478 points inside a square of a picture."""

    def __init__(self, session: Session | None = None) -> None:
        self._net = session or open_face("face_landmarks")
        self._input = np.empty((1, INPUT_SIZE, INPUT_SIZE, 3), np.float32)

    def read(self, picture: Picture, roi: Roi) -> Face:
        """The points and whether a face is there at all. `picture`: uint8 (h, w, 3) BGR or (h, w) grey.

        Raises InputError.
        """
        if not (np.isfinite(roi.side) and roi.side > 1):
            raise InputError(f"a square of {roi.side} pixels holds no face")
        crop, back = _cut(picture, roi)
        colour = cv2.cvtColor(crop, cv2.COLOR_GRAY2RGB if crop.ndim == 2 else cv2.COLOR_BGR2RGB)
        np.multiply(colour, np.float32(1 / 255), out=self._input[0], dtype=np.float32)
        raw, logit, *_ = self._net.run(self._input)
        points = np.asarray(raw, np.float32).reshape(POINTS, 3)
        placed = np.empty_like(points)
        placed[:, :2] = points[:, :2] @ back[:, :2].T + back[:, 2]
        placed[:, 2] = points[:, 2] * (roi.side / INPUT_SIZE)
        presence = 1.0 / (1.0 + np.exp(-np.clip(float(np.ravel(logit)[0]), -80, 80)))
        return Face(placed, float(presence), roi)


def _cut(picture: Picture, roi: Roi) -> tuple[Picture, npt.NDArray[np.float64]]:
    """The square, 256 pixels wide, and the affine map, float64 (2, 3), from it back into the picture.

    A square that lies nearly level inside the picture is not turned: that takes a quarter of the time, and the net
    does not mind three degrees.
    """
    left, top, side = round(roi.x - roi.side / 2), round(roi.y - roi.side / 2), round(roi.side)
    inside = left >= 0 and top >= 0 and left + side <= picture.shape[1] and top + side <= picture.shape[0]
    if inside and abs(roi.angle) < np.radians(3.0):
        crop = cv2.resize(picture[top : top + side, left : left + side], (INPUT_SIZE, INPUT_SIZE))
        scale = side / INPUT_SIZE
        half = (scale - 1) / 2  # pixels are squares here, and points in a warp
        return np.asarray(crop, np.uint8), np.array([[scale, 0.0, left + half], [0.0, scale, top + half]])
    matrix = roi.matrix(INPUT_SIZE)
    crop = cv2.warpAffine(picture, matrix, (INPUT_SIZE, INPUT_SIZE), flags=cv2.INTER_LINEAR)
    return np.asarray(crop, np.uint8), np.asarray(cv2.invertAffineTransform(matrix), np.float64)
