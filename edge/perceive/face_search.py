"""Where and how often the detector looks: all of the picture, parts of it for far faces, and turned cameras."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from models.face_detector import Detection, FaceDetector, Picture

_LOST_HZ = 10.0  # somebody was here just now
_EMPTY_HZ = 5.0  # nobody is, and something changes
_STILL_HZ = 1.0  # nobody is, and nothing changes
_NEWCOMER_HZ = 1.0  # somebody is, others may come
_SURE, _SURE_SMALL = 0.55, 0.65  # scores to believe in a new face

_SKETCH = (32, 24)  # cells that the picture is reduced to, to see whether something changes
_CHANGED = 4.0  # grey levels in the mean of any cell: a camera's noise stays below 2, a face that comes does not

_Region = tuple[int, int, int, int]  # x, y, w, h in pixels


class Search:
    """Spreads the detector's looks over time, so that no picture costs much more than another."""

    def __init__(self, detector: FaceDetector) -> None:
        self._detector = detector
        self.reset()

    def reset(self) -> None:
        """The next look is thorough."""
        self._last_s = self._looked_s = float("-inf")
        self._sketch: npt.NDArray[np.int16] | None = None  # of the picture that the detector last looked at
        self._count = 0
        self._thorough = True
        self._turns = 0  # the detector is blind to faces upside down

    def look(
        self,
        light: Picture,
        t_s: float,
        accept: Callable[[Detection], bool],
        *,
        known: int,
        lost: bool,
        colours: Callable[[], Picture] | None = None,
    ) -> None:
        """Hand faces in a picture to `accept`, if it is time to look at all; it tells whether one was a face.

        `light`: the picture, or only its lightness where `colours` gives the rest when it is needed. `known`: faces
        that are being followed; `lost`: one was, until just now.
        """
        if t_s < self._last_s + self.pause_s(known=known, lost=lost):
            return
        self._last_s = t_s
        if not (known or lost):
            sketch = _sketched(light)
            still = self._sketch is not None and int(np.abs(sketch - self._sketch).max()) < _CHANGED
            if still and t_s - self._looked_s < 0.95 / _STILL_HZ:
                return
            self._sketch = sketch
        picture = light if colours is None else colours()
        self._looked_s = t_s
        self._count += 1
        if self._thorough:  # the first picture, perhaps the only one: look everywhere
            self._thorough = False
            looks = [*((None, turns) for turns in (0, 2, 1, 3)), *((part, 0) for part in _parts(picture))]
        elif lost:
            looks = [(None, self._turns)]
        elif known:
            looks = [(None if self._count % 2 else _parts(picture)[self._count // 2 % 6], self._turns)]
        elif self._count % 2:
            looks = [(None, self._turns), (_parts(picture)[self._count // 2 % 6], self._turns)]
        else:
            looks = [(None, self._turns), (None, (self._turns + self._count // 2) % 4)]
        for region, turns in looks:
            found, turned = self._see(picture, region, turns, alone=not known and not lost)
            if any([accept(one) for one in found]):
                self._turns = turned
                return

    @staticmethod
    def pause_s(*, known: int, lost: bool) -> float:
        """Seconds after a picture that was looked at in which no other will be."""
        return 0.95 / (_LOST_HZ if lost else _NEWCOMER_HZ if known else _EMPTY_HZ)

    def _see(self, picture: Picture, region: _Region | None, turns: int, *, alone: bool) -> tuple[list[Detection], int]:
        """Faces in one view, and the quarter turns at which they were seen."""
        threshold = _SURE if region is None and turns == self._turns else _SURE_SMALL
        found = self._detector.detect(picture, region=region, quarter_turns=turns, threshold=threshold)
        if found and alone:  # upside down, a mouth can pass for eyes: the surer view is the right one
            best = max(one.score for one in found)
            over = self._detector.detect(picture, region=region, quarter_turns=turns + 2, threshold=best)
            if over:
                found, turns = over, (turns + 2) % 4
        if region is not None:  # a large face in a part is a piece of one
            found = [one for one in found if max(one.box[2:]) < 0.5 * region[2]]
        return found, turns


def _sketched(picture: Picture) -> npt.NDArray[np.int16]:
    """The picture's lightness in 24 × 32 cells."""
    step = max(1, min(picture.shape[:2]) // 240)  # a hundred samples a cell, so that noise averages out
    part = picture[::step, ::step]
    light = part if part.ndim == 2 else part[:, :, 1]
    return cv2.resize(light, _SKETCH, interpolation=cv2.INTER_AREA).astype(np.int16)


def _parts(picture: Picture) -> list[_Region]:
    """Six overlapping squares (x, y, w, h) that cover the picture: faces look twice as large in them."""
    height, width = picture.shape[:2]
    side = max(1, round(0.6 * min(width, height)))
    columns, rows = (3, 2) if width >= height else (2, 3)
    return [
        (round(c * (width - side) / (columns - 1)), round(r * (height - side) / (rows - 1)), side, side)
        for r in range(rows)
        for c in range(columns)
    ]
