"""The detector's looks are spread over time, and find their way round turned cameras."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edge.perceive.face_search import Search
from models.face_detector import Detection

PICTURE = np.zeros((480, 640, 3), np.uint8)


class Detector:
    """Sees one face, upright after `upright` quarter turns, in the whole picture or only in parts."""

    def __init__(self, upright: int | None = 0, *, far: bool = False, fooled: bool = False) -> None:
        self.upright, self.far, self.fooled = upright, far, fooled
        self.looks: list[tuple[tuple[int, ...] | None, int]] = []

    def detect(self, picture: Any, *, region: Any = None, quarter_turns: int = 0, threshold: float) -> list[Detection]:
        self.looks.append((region, quarter_turns % 4))
        right = quarter_turns % 4 == self.upright
        score = 0.95 if right else 0.6 if self.fooled else 0.0
        if score < threshold or self.far != (region is not None):
            return []
        size = 50.0 if self.far else 150.0
        return [Detection(score, (200.0, 100.0, size, size), np.zeros((6, 2), np.float32))]


def search(detector: Detector) -> Search:
    return Search(detector)  # type: ignore[arg-type]


def accept(_: Detection) -> bool:
    return True


@pytest.mark.parametrize("upright", [0, 1, 2, 3])
def test_the_first_picture_is_searched_in_every_way(upright: int) -> None:
    """It may be the only one."""
    found: list[Detection] = []
    search(Detector(upright)).look(PICTURE, 0.0, lambda one: found.append(one) is None, known=0, lost=False)
    assert len(found) == 1


def test_a_far_face_is_found_in_the_first_picture() -> None:
    """Part by part, when the whole showed nothing."""
    found: list[Detection] = []
    search(Detector(far=True)).look(PICTURE, 0.0, lambda one: found.append(one) is None, known=0, lost=False)
    assert found


def test_the_surer_way_up_wins() -> None:
    """A face upside down that passes for a poor one upright is turned round."""
    scores: list[float] = []
    search(Detector(2, fooled=True)).look(PICTURE, 0.0, lambda one: not scores.append(one.score), known=0, lost=False)
    assert scores == [0.95]


def test_what_was_no_face_is_not_the_end_of_the_search() -> None:
    """A view whose finding is refused is followed by the next."""
    detector = Detector(0)
    search(detector).look(PICTURE, 0.0, lambda _: False, known=0, lost=False)
    assert {turns for _, turns in detector.looks} == {0, 1, 2, 3}
    assert any(region is not None for region, _ in detector.looks)


@pytest.mark.parametrize(("known", "lost", "hz"), [(0, False, 5), (1, False, 1), (0, True, 10)])
def test_looks_are_counted_in_time(known: int, lost: bool, hz: int) -> None:
    """Often for somebody just lost, seldom for newcomers, whatever the camera's rate."""
    detector = Detector(None)
    one = search(detector)
    one.look(PICTURE, -1.0, accept, known=known, lost=lost)
    times = 0
    for index in range(120):
        before = len(detector.looks)
        one.look(PICTURE, index / 30, accept, known=known, lost=lost)
        times += len(detector.looks) > before
    assert times == pytest.approx(4 * hz, abs=2)


def test_no_single_picture_of_an_empty_room_costs_much() -> None:
    """After the first one, two looks at most."""
    detector = Detector(None)
    one = search(detector)
    one.look(PICTURE, 0.0, accept, known=0, lost=False)
    for index in range(1, 60):
        before = len(detector.looks)
        one.look(PICTURE, float(index), accept, known=0, lost=False)
        assert len(detector.looks) - before <= 2
    regions = {region for region, _ in detector.looks}
    assert len(regions) == 7  # the whole, and six parts


def test_a_turned_camera_is_remembered() -> None:
    """Once found, the way up is tried first."""
    detector = Detector(3)
    one = search(detector)
    one.look(PICTURE, 0.0, accept, known=0, lost=False)
    detector.looks.clear()
    one.look(PICTURE, 1.0, accept, known=0, lost=True)
    assert detector.looks[0] == (None, 3)
