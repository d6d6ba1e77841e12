"""Faces in a picture: BlazeFace short range (Bazarevsky et al. 2019), 128×128, run directly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from models.errors import InputError
from models.face_session import open_face
from models.session import Session

INPUT_SIZE = 128
_STRIDES = (8, 16, 16, 16)  # two anchors a cell at stride 8, six at stride 16
_SAME_FACE_IOU = 0.3

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Detection:
    """One face, in pixels of the picture that was given.

    `box`: x, y, w, h. `keypoints`: float32 (6, 2), the person's right eye, left eye, nose tip, mouth, right ear, left
    ear. `score`: 0–1, of the net; not calibrated.
    """

    score: float
    box: tuple[float, float, float, float]
    keypoints: Floats


class FaceDetector:
    """Finds faces from about 15 % of the picture's longer side upwards; smaller ones by giving a region."""

    def __init__(self, session: Session | None = None) -> None:
        self._net = session or open_face("face_detector")
        self._anchors = _anchors()

    def detect(
        self,
        picture: Picture,
        *,
        region: tuple[int, int, int, int] | None = None,
        quarter_turns: int = 0,
        threshold: float = 0.5,
    ) -> list[Detection]:
        """Faces, the surest first. `picture`: uint8 (h, w, 3) BGR or (h, w) grey.

        `region` (x, y, w, h in pixels) looks at a part only. `quarter_turns` looks at the picture turned
        counter-clockwise so often, for a camera that is mounted on its side; answers are in the picture as given.
        Raises InputError.
        """
        if picture.dtype != np.uint8 or picture.ndim not in (2, 3) or picture.size == 0:
            raise InputError(f"a picture is uint8 (h, w, 3) or (h, w), not {picture.dtype} {picture.shape}")
        x0, y0, width, height = region or (0, 0, picture.shape[1], picture.shape[0])
        part = picture[y0 : y0 + height, x0 : x0 + width]
        side = max(width, height)
        small, offset_x, offset_y = _letterbox(part)
        values = (np.rot90(small, quarter_turns).astype(np.float32) - 127.5) / 127.5
        boxes, logits = self._net.run(values[None])
        found = self._decode(boxes[0], logits[0, :, 0], threshold)
        unturned = [Detection(one.score, *_unturn(one, quarter_turns)) for one in found]
        shift = np.array([x0, y0], np.float32) - np.array([offset_x, offset_y], np.float32) * side
        return [_place(one, side, shift) for one in unturned]

    def _decode(self, raw: npt.NDArray[Any], logits: npt.NDArray[Any], threshold: float) -> list[Detection]:
        scores = 1.0 / (1.0 + np.exp(-np.clip(logits, -80, 80)))
        chosen = np.flatnonzero(scores >= threshold)
        if chosen.size == 0:
            return []
        scores = scores[chosen]
        values = raw[chosen].reshape(-1, 8, 2) / INPUT_SIZE  # centre, size, six key points
        values[:, 0] += self._anchors[chosen]
        values[:, 2:] += self._anchors[chosen, None]
        return _blend(values.astype(np.float32), scores)


def _anchors() -> Floats:
    """Centres of the 896 anchors, as fractions: float32 (896, 2). Their size is one, so only centres matter."""
    rows = []
    for stride, per_cell in ((8, 2), (16, 6)):
        cells = INPUT_SIZE // stride
        centres = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        grid = np.stack(np.meshgrid(centres, centres), axis=-1).reshape(-1, 1, 2)  # x runs fastest
        rows.append(np.broadcast_to(grid, (cells * cells, per_cell, 2)).reshape(-1, 2))
    return np.concatenate(rows)


def _letterbox(part: Picture) -> tuple[Picture, float, float]:
    """`part` in the middle of a black 128×128 BGR→RGB square, and the margins as fractions of the square."""
    height, width = part.shape[:2]
    scale = INPUT_SIZE / max(height, width)
    inner_w, inner_h = max(1, round(width * scale)), max(1, round(height * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(part, (inner_w, inner_h), interpolation=how)
    colour = cv2.cvtColor(small, cv2.COLOR_GRAY2RGB if small.ndim == 2 else cv2.COLOR_BGR2RGB)
    left, top = (INPUT_SIZE - inner_w) // 2, (INPUT_SIZE - inner_h) // 2
    square = np.zeros((INPUT_SIZE, INPUT_SIZE, 3), np.uint8)
    square[top : top + inner_h, left : left + inner_w] = colour
    return square, left / INPUT_SIZE, top / INPUT_SIZE


def _blend(values: Floats, scores: npt.NDArray[Any]) -> list[Detection]:
    """Weighted non-maximum suppression: boxes of one face are averaged by their scores, which steadies them."""
    centre, size = values[:, 0], values[:, 1]
    low, high = centre - size / 2, centre + size / 2
    left = np.argsort(-scores)
    found = []
    while left.size:
        best = left[0]
        inner = np.clip(np.minimum(high[best], high[left]) - np.maximum(low[best], low[left]), 0, None).prod(axis=1)
        union = size[best].prod() + size[left].prod(axis=1) - inner
        same = inner / np.maximum(union, 1e-9) > _SAME_FACE_IOU
        same[0] = True
        weights = scores[left[same]][:, None, None]
        mean = (values[left[same]] * weights).sum(axis=0) / weights.sum()
        corner = mean[0] - mean[1] / 2
        box = (float(corner[0]), float(corner[1]), float(mean[1, 0]), float(mean[1, 1]))
        found.append(Detection(float(scores[best]), box, mean[2:].astype(np.float32)))
        left = left[~same]
    return found


def _unturn(one: Detection, turns: int) -> tuple[tuple[float, float, float, float], Floats]:
    """Box and key points, as fractions of the square before it was turned counter-clockwise `turns` times."""
    x, y, w, h = one.box
    points = np.concatenate([[[x, y], [x + w, y + h]], one.keypoints])
    for _ in range(turns % 4):
        points = np.stack([1.0 - points[:, 1], points[:, 0]], axis=1)
    low, high = points[:2].min(axis=0), points[:2].max(axis=0)
    box = (float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1]))
    return box, points[2:].astype(np.float32)


def _place(one: Detection, side: float, shift: Floats) -> Detection:
    x, y, w, h = (value * side for value in one.box)
    return Detection(one.score, (x + float(shift[0]), y + float(shift[1]), w, h), one.keypoints * side + shift)
