"""Pictures are turned into colours only when somebody looks, and lightness is told without."""

from __future__ import annotations

import av
import numpy as np
import pytest

from edge.sensors._lazy import LazyFrame
from edge.sensors._streams import DecodedFrame, Upright
from edge.types import VideoFrame

_GREY = np.tile(np.linspace(16, 235, 64).astype(np.uint8)[:, None, None], (1, 96, 3))  # each row another lightness


def _decoded(form: str, aspect: float = 1.0, pixels: np.ndarray = _GREY) -> DecodedFrame:
    return DecodedFrame(
        "test", 0, 0.0, av.VideoFrame.from_ndarray(pixels, "bgr24").reformat(format=form), Upright(aspect)
    )


def test_colours_are_made_once_and_only_when_asked_for() -> None:
    """Lightness does not ask for them where the source has its own."""
    made: list[int] = []
    frame = LazyFrame("test", 0, 0.0, lambda: made.append(1) or _GREY, lambda: _GREY[:, :, 0])  # type: ignore[func-returns-value]
    assert frame.luma.shape == (64, 96)
    assert not made
    assert frame.pixels is frame.pixels
    assert made == [1]


@pytest.mark.parametrize("form", ["yuv420p", "nv12", "yuvj422p", "gray"])
def test_lightness_lies_in_what_was_decoded(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the picture's own plane, of its size, and rises where the picture does."""
    monkeypatch.setattr(Upright, "__call__", lambda *_: pytest.fail("colours were made"))
    luma = _decoded(form).luma
    assert luma.shape == (64, 96)
    assert np.corrcoef(luma[:, 5], _GREY[:, 5, 0])[0, 1] > 0.999


@pytest.mark.parametrize(("form", "aspect"), [("bgr24", 1.0), ("yuv420p", 4 / 3), ("yuyv422", 1.0)])
def test_where_it_lies_otherwise_it_is_taken_from_the_colours(form: str, aspect: float) -> None:
    """A picture that must be stretched, or whose lightness is mixed with colour, is turned first."""
    frame = _decoded(form, aspect)
    assert frame.luma.shape == frame.pixels.shape[:2]
    np.testing.assert_array_equal(frame.luma, frame.pixels[:, :, 1])


def test_a_grey_picture_is_its_own_lightness() -> None:
    """Cameras without colour need no plane of green."""
    grey = _GREY[:, :, 0]
    assert VideoFrame("test", 0, 0.0, grey).luma is grey
