"""Action units are named evidence, left and right averaged."""

from __future__ import annotations

import pytest

from edge.perceive.face_action_units import action_units
from models.blendshapes import NAMES


def test_left_and_right_are_averaged() -> None:
    """A crooked smile is half a smile."""
    found = action_units(dict.fromkeys(NAMES, 0.0) | {"mouthSmileLeft": 0.8})
    assert found["smile"] == pytest.approx(0.4)


def test_eyes_smile_only_beside_a_smile() -> None:
    """Narrow eyes alone are no felt smile; with a smile they are, and wide ones make it a smile of the mouth only."""
    squint = {"eyeSquintLeft": 0.6, "eyeSquintRight": 0.6}
    smile = {"mouthSmileLeft": 0.7, "mouthSmileRight": 0.7}
    rest = dict.fromkeys(NAMES, 0.0)
    assert "cheek_raise" not in action_units(rest | squint)
    assert action_units(rest | squint | smile)["cheek_raise"] == pytest.approx(0.6)
    assert action_units(rest | smile)["cheek_raise"] == 0.0
