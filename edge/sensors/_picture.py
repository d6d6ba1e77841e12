"""Decoded FFmpeg pictures → BGR pixels."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
import numpy.typing as npt


def picture_stream(container: Any) -> Any:
    """The video stream, but not the cover picture of a sound file; None without one."""
    real = [one for one in container.streams.video if not one.disposition & av.stream.Disposition.attached_pic]
    return real[0] if real else None


def upright_bgr(picture: Any, aspect: float) -> npt.NDArray[np.uint8]:
    """BGR pixels (h, w, 3) of a decoded picture, turned upright as its file asks for.

    `aspect`: width of a stored pixel / its height; the result's pixels are square.
    """
    pixels = picture.reformat(width=round(picture.width * aspect), format="bgr24").to_ndarray()
    if turns := round(picture.rotation / 90) % 4:  # counter-clockwise
        pixels = np.rot90(pixels, turns)
    return np.ascontiguousarray(pixels, np.uint8)
