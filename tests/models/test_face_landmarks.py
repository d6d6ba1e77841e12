"""The 478 points lie on the face, however it tilts."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from models.errors import InputError
from models.face_landmarks import LEFT_EYE_OUTER, RIGHT_EYE_OUTER, Face, Roi, roi_from_detection, roi_from_landmarks
from tests.models.face_nets import nets
from tests.sim.heads import Look, draw

IRISES = (468, 473)


def read(picture: np.ndarray) -> Face:
    detector, landmarks, _ = nets()
    (found,) = detector.detect(picture)
    return landmarks.read(picture, roi_from_landmarks(landmarks.read(picture, roi_from_detection(found)).points))


@pytest.mark.parametrize("roll", [-35.0, 0.0, 35.0])
def test_irises_lie_on_the_drawn_eyes(roll: float) -> None:
    """However the head tilts, the points are in the picture's own pixels."""
    face = read(draw(Look(roll=roll), face=180, at=(300, 250)))
    assert face.presence > 0.9
    per_cm, angle = 180 / 15 * 55 / (55 - 4), np.radians(roll)
    for iris, side in zip(IRISES, (-1, 1), strict=True):
        x, y = side * 3.15, 2.55
        true = (
            300 + per_cm * (x * np.cos(angle) + y * np.sin(angle)),
            250 - per_cm * (y * np.cos(angle) - x * np.sin(angle)),
        )
        assert face.points[iris, :2] == pytest.approx(true, abs=5)


def test_the_next_square_lies_level_with_the_eyes() -> None:
    """From landmarks, the square turns with the head and holds the whole face with a margin."""
    face = read(draw(Look(roll=20), face=180))
    roi = roi_from_landmarks(face.points)
    assert np.degrees(roi.angle) == pytest.approx(20, abs=3)
    inside = face.points[:, :2] @ roi.matrix(100)[:, :2].T + roi.matrix(100)[:, 2]
    assert inside.min() > 5
    assert inside.max() < 95
    right, left = inside[RIGHT_EYE_OUTER], inside[LEFT_EYE_OUTER]
    assert right[1] == pytest.approx(left[1], abs=1e-3)
    assert right[0] < left[0]


def test_no_face_has_no_presence() -> None:
    """A square without a face is said to be one."""
    _, landmarks, _ = nets()
    noise = np.random.default_rng(2).integers(0, 256, (300, 300, 3)).astype(np.uint8)
    assert landmarks.read(noise, Roi(150, 150, 200, 0.0)).presence < 0.1


def test_grey_reads_like_colour() -> None:
    """A grey picture gives nearly the same points."""
    _, landmarks, _ = nets()
    picture = draw(Look(), face=180)
    colour = read(picture)
    grey = landmarks.read(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), colour.roi)
    assert np.linalg.norm(grey.points[:, :2] - colour.points[:, :2], axis=1).mean() < 2.5


@pytest.mark.parametrize("side", [0.0, float("nan")])
def test_an_impossible_square_is_refused(side: float) -> None:
    """A square of no size is an error, not a guess."""
    with pytest.raises(InputError, match="holds no face"):
        nets()[1].read(np.zeros((100, 100, 3), np.uint8), Roi(50, 50, side, 0.0))


def test_points_agree_with_the_real_people_of_the_clips(clips: list[Path]) -> None:
    """On every clip of a real person, following landmarks by landmarks holds the face on each frame."""
    detector, landmarks, _ = nets()
    for clip in clips:
        capture = cv2.VideoCapture(str(clip))
        good, picture = capture.read()
        (found,) = detector.detect(picture)
        roi = roi_from_detection(found)
        while good:
            face = landmarks.read(picture, roi)
            assert face.presence > 0.9
            roi = roi_from_landmarks(face.points)
            good, picture = capture.read()
