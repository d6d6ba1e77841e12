"""One face followed: it knows itself again, notices change, and lets time pass."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge.perceive.face_track import FaceTrack
from edge.types import Eyes
from tests.models.test_face_landmarks import read
from tests.sim.heads import Look, draw

OPEN, SHUT = draw(Look(), face=160), draw(Look(open=0.0), face=160)


@pytest.fixture
def track() -> FaceTrack:
    return FaceTrack(7, read(OPEN), 0.0, OPEN)


def test_lids_and_motion_are_noticed_and_noise_is_not(track: FaceTrack) -> None:
    """A blink or a shift asks for a new look; a camera's noise and a slightly other light do not."""
    rng = np.random.default_rng(0)
    noisy = np.clip(OPEN + rng.normal(0, 3, OPEN.shape), 0, 255).astype(np.uint8)
    assert not track.moved(noisy)
    assert track.moved(SHUT)
    assert track.moved(np.roll(OPEN, 12, axis=1))


def test_it_knows_its_own_place(track: FaceTrack) -> None:
    """A box over the face is this face; one beside it, or far larger, is another."""
    x, y, w, h = track.box
    assert track.covers((x + 0.1 * w, y, w, h))
    assert not track.covers((x + 1.2 * w, y, w, h))
    assert not track.covers((x - w, y - h, 3 * w, 3 * h))


def test_half_out_of_view_or_turned_away_is_partial(track: FaceTrack) -> None:
    """What cannot be read for expression says so."""
    assert not track.partial(640, 480)
    assert track.partial(int(track.box[0] + track.box[2] / 2), 480)
    track.pose = replace(track.pose, yaw_deg=55.0)
    assert track.partial(640, 480)


def test_time_passes_for_lids_that_do_not_move(track: FaceTrack) -> None:
    """Pictures without a change count as seen: PERCLOS needs the time, not the looks."""
    track.observe(640, 480, 1.0)
    for index in range(1, 450):
        still = track.still(index / 30)
    assert (still.person, still.t_s) == (7, 449 / 30)
    track.take(read(OPEN), 15.0, OPEN)
    (eyes,) = [one for one in track.observe(640, 480, 1.0) if isinstance(one, Eyes)]
    assert eyes.window_s == pytest.approx(13.0, abs=0.5)
    assert eyes.perclos == 0.0


def test_lids_of_a_tiny_face_are_not_judged() -> None:
    """Eyes a few pixels wide give no eye state and no gaze."""
    picture = draw(Look(), face=160)
    face = read(picture)
    small = replace(face, points=face.points * np.float32(0.15))
    found = FaceTrack(1, small, 0.0, picture).observe(640, 480, 0.1)
    assert [type(one).__name__ for one in found] == ["FaceSeen", "HeadPose"]
