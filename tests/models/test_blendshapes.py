"""Movements that are drawn are read."""

from __future__ import annotations

import numpy as np
import pytest

from models.blendshapes import LANDMARKS, NAMES
from models.errors import InputError
from tests.models.face_nets import nets
from tests.models.test_face_landmarks import read
from tests.sim.heads import Look, draw


def shapes(look: Look) -> dict[str, float]:
    return nets()[2].read(read(draw(look, face=180)).points)


def test_the_net_reads_146_points_and_names_52_movements() -> None:
    """The lists have the net's sizes and hold nothing twice."""
    assert len(set(LANDMARKS.tolist())) == 146
    assert len(set(NAMES)) == 52


def test_a_smile_is_a_smile_and_an_open_jaw_is_one() -> None:
    """Movements that were drawn are the ones that rise."""
    rest, smile, gape = shapes(Look()), shapes(Look(smile=1)), shapes(Look(mouth=1))
    assert smile["mouthSmileLeft"] > 0.5 > rest["mouthSmileLeft"]
    assert gape["jawOpen"] > 0.35 > rest["jawOpen"]


def test_left_is_the_persons_left() -> None:
    """A look to the person's left turns the left eye out and the right eye in."""
    look = shapes(Look(eye_yaw=25))
    assert look["eyeLookOutLeft"] > look["eyeLookOutRight"] + 0.2
    assert look["eyeLookInRight"] > look["eyeLookInLeft"] + 0.2


def test_size_and_place_do_not_matter() -> None:
    """The same face elsewhere and larger moves the same."""
    points = read(draw(Look(smile=1), face=180)).points
    here, there = (nets()[2].read(one) for one in (points, points * 2.5 + np.float32(40)))
    assert there["mouthSmileLeft"] == pytest.approx(here["mouthSmileLeft"], abs=0.02)


def test_other_points_are_refused() -> None:
    """468 points, without irises, are not enough."""
    with pytest.raises(InputError, match="478"):
        nets()[2].read(np.zeros((468, 3), np.float32))
