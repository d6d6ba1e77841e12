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


@pytest.mark.parametrize(("known", "lost", "hz"), [(0, False, 1), (1, False, 1), (0, True, 10)])
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


def _room(seed: int) -> Any:
    """A room without anybody, as a camera with noise sees it."""
    rng = np.random.default_rng(seed)
    return np.clip(110 + rng.normal(0, 5, PICTURE.shape), 0, 255).astype(np.uint8)


def _looks(detector: Detector, pictures: list[Any]) -> int:
    looking = search(detector)
    looking.look(pictures[0], 0.0, accept, known=0, lost=False)
    before = len(detector.looks)
    for at, picture in enumerate(pictures[1:]):
        looking.look(picture, 0.2 * (at + 1), accept, known=0, lost=False)
    return len(detector.looks) - before


def test_in_a_room_where_nothing_changes_the_detector_looks_seldom() -> None:
    """A camera's noise is no change: two views a second instead of ten."""
    empty = [_room(seed) for seed in range(26)]
    assert 4 <= _looks(Detector(None), empty) <= 12


def test_who_comes_is_looked_for_at_once() -> None:
    """Something the size of a far face, hardly lighter than the wall, is change enough to look."""
    rooms = [_room(seed) for seed in range(4)]
    rooms[3][200:260, 300:350] += 12
    detector = Detector(None)
    looking = search(detector)
    for at, picture in enumerate(rooms[:3]):
        looking.look(picture, 0.2 * at, accept, known=0, lost=False)
    before = len(detector.looks)
    looking.look(rooms[3], 0.6, accept, known=0, lost=False)
    assert len(detector.looks) > before
