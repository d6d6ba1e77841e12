"""What FFmpeg found in a container, and its pictures as BGR pixels."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
import numpy.typing as npt


def sound_stream(container: Any) -> Any:
    """The first sound stream of a codec that is known, or None."""
    return next((one for one in container.streams.audio if one.codec_context is not None), None)


def picture_stream(container: Any) -> Any:
    """The first video stream of a codec that is known, but not the cover picture of a sound file; or None."""
    cover = av.stream.Disposition.attached_pic
    known = (one for one in container.streams.video if one.codec_context is not None and not one.disposition & cover)
    return next(known, None)


def upright_bgr(picture: Any, aspect: float) -> npt.NDArray[np.uint8]:
    """BGR pixels (h, w, 3) of a decoded picture, turned upright as its file asks for.

    `aspect`: width of a stored pixel / its height; the result's pixels are square.
    """
    pixels = picture.reformat(width=round(picture.width * aspect), format="bgr24").to_ndarray()
    if turns := round(picture.rotation / 90) % 4:  # counter-clockwise
        pixels = np.rot90(pixels, turns)
    return np.ascontiguousarray(pixels, np.uint8)
