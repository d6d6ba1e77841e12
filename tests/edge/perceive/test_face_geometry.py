"""Angles of drawn heads are read as they were drawn."""

from __future__ import annotations

import numpy as np
import pytest

from edge.perceive import face_geometry as geometry
from tests.models.test_face_landmarks import read
from tests.sim.heads import Look, direction, draw, turn


def pose_of(look: Look) -> geometry.Pose:
    return geometry.head_pose(read(draw(look, face=170)).points)


@pytest.mark.parametrize("yaw", [-40.0, -20.0, 20.0, 40.0])
def test_yaw_has_its_size_and_sign(yaw: float) -> None:
    """Plus is the person's left."""
    assert pose_of(Look(yaw=yaw)).yaw_deg == pytest.approx(yaw, abs=4)


@pytest.mark.parametrize("pitch", [-20.0, 0.0, 20.0])
def test_pitch_has_its_size_and_sign(pitch: float) -> None:
    """Plus is up."""
    assert pose_of(Look(pitch=pitch)).pitch_deg == pytest.approx(pitch, abs=6)


@pytest.mark.parametrize("roll", [-40.0, -15.0, 15.0, 40.0])
def test_roll_has_its_size_and_sign(roll: float) -> None:
    """Plus is clockwise as the viewer sees it."""
    assert pose_of(Look(roll=roll)).roll_deg == pytest.approx(roll, abs=3)


def test_turned_and_tilted_at_once() -> None:
    """The three angles do not leak into each other."""
    pose = pose_of(Look(yaw=25, pitch=-12, roll=20))
    assert (pose.yaw_deg, pose.pitch_deg, pose.roll_deg) == pytest.approx((25, -12, 20), abs=6)
    assert np.allclose(pose.rotation, turn(pose.yaw_deg, pose.pitch_deg, pose.roll_deg), atol=1e-6)


@pytest.mark.parametrize(
    "look",
    [
        Look(),
        Look(eye_yaw=20),
        Look(eye_yaw=-20),
        Look(yaw=20, eye_yaw=-20),
        Look(yaw=-15, eye_yaw=-12),
        Look(pitch=10, eye_pitch=-10),
        Look(eye_pitch=14),
        Look(eye_pitch=-14),
    ],
)
def test_gaze_is_head_and_eyes_together(look: Look) -> None:
    """Eyes that turn against the head still meet the camera."""
    points = read(draw(look, face=170)).points
    found = geometry.gaze(points, geometry.head_pose(points))
    assert found is not None
    true = turn(look.yaw, look.pitch, look.roll) @ direction(look.eye_yaw, look.eye_pitch)
    assert np.degrees(np.arccos(np.clip(true @ direction(*found), -1, 1))) < 12


@pytest.mark.parametrize("yaw", [-50.0, -40.0, 40.0, 50.0])
def test_of_a_head_turned_far_the_head_tells(yaw: float) -> None:
    """Irises there err by more than eyes turn: straight looks were read 25° too far out."""
    points = read(draw(Look(yaw=yaw), face=170)).points
    found = geometry.gaze(points, geometry.head_pose(points))
    assert found is not None
    assert found[0] == pytest.approx(yaw, abs=8)


def test_no_gaze_is_read_from_a_profile() -> None:
    """Where no iris is seen well, nothing is said of the look."""
    points = read(draw(Look(), face=170)).points
    front = geometry.head_pose(points)
    aside = geometry.Pose(70.0, 0.0, 0.0, turn(70, 0, 0), front.scale, front.origin)
    assert geometry.gaze(points, aside) is None


def test_eyes_close_and_mouths_open() -> None:
    """The ratios follow lids and lips, also of a nodding and turned head."""
    for pose in ({}, {"pitch": -15.0}, {"yaw": 20.0}):
        ears, mouths = [], []
        for opening in (0.0, 0.5, 1.0):
            points = read(draw(Look(open=opening, mouth=opening, **pose), face=170)).points
            ears.append(float(geometry.near_eye(geometry.eye_aspect_ratio(points), geometry.head_pose(points))))
            mouths.append(geometry.mouth_open(points))
        assert ears[0] < 0.17 < ears[1] < ears[2]
        assert ears[2] > 0.3
        assert mouths[0] < 0.12 < mouths[1] < mouths[2]
