"""Where and how often the detector looks: all of the picture, parts of it for far faces, and turned cameras."""

from __future__ import annotations

from collections.abc import Iterator

from models.face_detector import Detection, FaceDetector, Picture

_LOST_HZ = 10.0  # somebody was here just now
_EMPTY_HZ = 5.0  # nobody is
_NEWCOMER_HZ = 1.0  # somebody is, others may come
_SURE, _SURE_SMALL = 0.55, 0.65  # scores to believe in a new face


class Search:
    """Spreads the detector's looks over time, so that no picture costs much more than another."""

    def __init__(self, detector: FaceDetector) -> None:
        self._detector = detector
        self.reset()

    def reset(self) -> None:
        """The next look is thorough."""
        self._last_s = float("-inf")
        self._count = 0
        self._thorough = True
        self._turns = 0

    def look(self, picture: Picture, t_s: float, *, known: int, lost: bool) -> Iterator[tuple[int, Detection]]:
        """Faces found in `picture`, if it is time to look at all, each with the quarter turns that set it upright.

        `known`: faces that are being followed; `lost`: one was, until just now.
        """
        rate = _LOST_HZ if lost else _NEWCOMER_HZ if known else _EMPTY_HZ
        if t_s - self._last_s < 0.95 / rate:
            return
        self._last_s = t_s
        self._count += 1
        if self._thorough:  # the first picture, perhaps the only one: look everywhere
            self._thorough = False
            yield from self._everywhere(picture)
            return
        found = []
        if known == 0 or self._count % 2:
            found = self._detector.detect(picture, quarter_turns=self._turns, threshold=_SURE)
        if not found and not lost:
            if known or self._count % 2:
                part = _parts(picture)[self._count // 2 % 6]
                found = self._detector.detect(picture, region=part, quarter_turns=self._turns, threshold=_SURE_SMALL)
            else:
                turns = (self._turns + self._count // 2) % 4
                found = self._detector.detect(picture, quarter_turns=turns, threshold=_SURE_SMALL)
                self._turns = turns if found else self._turns
        for one in found:
            yield self._turns, one

    def _everywhere(self, picture: Picture) -> Iterator[tuple[int, Detection]]:
        for turns in (0, 1, 3, 2):
            found = self._detector.detect(picture, quarter_turns=turns, threshold=_SURE if turns == 0 else _SURE_SMALL)
            if not found and turns == 0:
                for part in _parts(picture):
                    found += self._detector.detect(picture, region=part, threshold=_SURE_SMALL)
            if found:
                self._turns = turns
                for one in found:
                    yield turns, one
                return


def _parts(picture: Picture) -> list[tuple[int, int, int, int]]:
    """Six overlapping squares (x, y, w, h) that cover the picture: faces look twice as large in them."""
    height, width = picture.shape[:2]
    side = max(1, round(0.6 * min(width, height)))
    columns, rows = (3, 2) if width >= height else (2, 3)
    return [
        (round(c * (width - side) / (columns - 1)), round(r * (height - side) / (rows - 1)), side, side)
        for r in range(rows)
        for c in range(columns)
    ]
