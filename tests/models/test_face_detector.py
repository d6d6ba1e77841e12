"""Where faces are found: place, turned cameras, far faces, grey pictures, nothing."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from models.errors import InputError
from models.face_detector import FaceDetector
from tests.models.face_nets import nets
from tests.sim.heads import Look, draw

AT = (400, 220)


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return nets()[0]


@pytest.fixture(scope="module")
def head() -> np.ndarray:
    return draw(Look(), face=170, at=AT)


def middle(box: tuple[float, float, float, float]) -> tuple[float, float]:
    return box[0] + box[2] / 2, box[1] + box[3] / 2


def test_a_face_is_found_where_it_is(detector: FaceDetector, head: np.ndarray) -> None:
    """The box lies over the face and the eyes' key points lie on the drawn eyes, the person's right one first."""
    (found,) = detector.detect(head)
    assert found.score > 0.7
    assert middle(found.box) == pytest.approx(AT, abs=35)
    per_cm = 170 / 15
    assert found.keypoints[0] == pytest.approx((AT[0] - 3.15 * per_cm, AT[1] - 2.6 * per_cm), abs=12)
    assert found.keypoints[1] == pytest.approx((AT[0] + 3.15 * per_cm, AT[1] - 2.6 * per_cm), abs=12)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_camera_on_its_side_is_seen_through(detector: FaceDetector, head: np.ndarray, turns: int) -> None:
    """Told how often to turn the picture, the detector answers in the picture as it was given."""
    (upright,) = detector.detect(head)
    (found,) = detector.detect(np.ascontiguousarray(np.rot90(head, -turns)), quarter_turns=turns)
    points = found.keypoints
    height, width = head.shape[:2]
    back = {  # into the upright picture
        1: lambda p: np.stack([p[:, 1], height - p[:, 0]], axis=1),
        2: lambda p: np.stack([width - p[:, 0], height - p[:, 1]], axis=1),
        3: lambda p: np.stack([width - p[:, 1], p[:, 0]], axis=1),
    }[turns](points)
    assert back == pytest.approx(upright.keypoints, abs=8)


def test_a_part_of_the_picture_shows_far_faces(detector: FaceDetector) -> None:
    """A face too small for the whole picture is found in a part, at its place in the whole."""
    picture = draw(Look(), size=(1280, 720), face=60, at=(300, 200))
    assert not detector.detect(picture)
    (found,) = detector.detect(picture, region=(120, 40, 400, 400))
    assert middle(found.box) == pytest.approx((300, 200), abs=15)


def test_grey_pictures_are_read(detector: FaceDetector, head: np.ndarray) -> None:
    """An infrared or grey camera is as good a camera."""
    assert len(detector.detect(cv2.cvtColor(head, cv2.COLOR_BGR2GRAY))) == 1


def test_nothing_is_found_in_nothing(detector: FaceDetector) -> None:
    """Noise, black and white hold no face."""
    noise = np.random.default_rng(1).integers(0, 256, (240, 320, 3)).astype(np.uint8)
    for picture in (noise, np.zeros_like(noise), np.full_like(noise, 255)):
        assert detector.detect(picture) == []


@pytest.mark.parametrize(
    "bad", [np.zeros((10, 10, 3), np.float32), np.zeros((0, 10, 3), np.uint8), np.zeros(5, np.uint8)]
)
def test_what_is_no_picture_is_refused(detector: FaceDetector, bad: np.ndarray) -> None:
    """A wrong type or shape is an error that says so, not an empty answer."""
    with pytest.raises(InputError, match="picture"):
        detector.detect(bad)
