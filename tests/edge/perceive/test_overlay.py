"""The picture for people shows what was perceived and harms nothing."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edge.perceive.overlay import draw as overlay
from edge.types import Eyes, FaceAffect, FaceSeen, Gaze, HeadPose, VideoFrame

POINTS = np.random.default_rng(3).uniform((250, 180, -10), (390, 330, 10), (478, 3)).astype(np.float32)
SEEN = [
    FaceSeen(t_s=0.0, person=1, box=(0.4, 0.35, 0.2, 0.35), presence=1.0),
    HeadPose(t_s=0.0, person=1, yaw_deg=40.0, pitch_deg=0.0, roll_deg=0.0),
    Gaze(t_s=0.0, person=1, yaw_deg=-30.0, pitch_deg=0.0, on_target=False),
    Eyes(t_s=0.0, person=1, ear=0.3, openness=None, closed=False, blink_per_min=None, perclos=None, window_s=0.0),
    FaceAffect(t_s=0.0, person=1, probs={"happy": 0.9, "neutral": 0.1}, valence=0.7, arousal=0.5, unclear=False),
]


@pytest.mark.parametrize("grey", [False, True])
def test_it_draws_on_a_copy(grey: bool) -> None:
    """The canvas has the frame's size and colour, shows something, and leaves the frame as it was."""
    plain = np.full((480, 640) if grey else (480, 640, 3), 90, np.uint8)
    frame = VideoFrame("test", 0, 0.0, plain.copy())
    canvas = overlay(frame, SEEN, {1: POINTS})
    assert canvas.shape == (480, 640, 3)
    assert np.array_equal(frame.pixels, plain)
    assert (canvas != 90).any(axis=2).sum() > 1000


def test_the_axis_points_where_the_head_does() -> None:
    """Turned to its left, which the viewer sees as right, the forward axis (blue) runs right from the nose."""
    frame = VideoFrame("test", 0, 0.0, np.zeros((480, 640, 3), np.uint8))
    canvas = overlay(frame, SEEN[:2], {1: POINTS})
    blue = np.argwhere(np.abs(canvas.astype(int) - (240, 150, 60)).sum(axis=2) < 30)
    assert blue[:, 1].max() > POINTS[4, 0] + 30
    assert blue[:, 1].min() > POINTS[4, 0] - 5


def test_faces_at_the_rim_and_without_landmarks_are_drawn_too() -> None:
    """Text stays inside the picture; a face whose landmarks are not at hand still has its box."""
    rim = FaceSeen(t_s=0.0, person=2, box=(0.9, -0.1, 0.3, 0.4), presence=0.9, partial=True)
    canvas = overlay(VideoFrame("test", 0, 0.0, np.zeros((120, 160, 3), np.uint8)), [rim], {})
    assert cv2.countNonZero(cv2.cvtColor(canvas, cv2.COLOR_BGR2GRAY)) > 50
