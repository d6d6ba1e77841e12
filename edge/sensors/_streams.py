"""What FFmpeg found in a container, and its pictures as BGR pixels, turned into those only when they are looked at."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import VideoReformatter

from edge.sensors._lazy import LazyFrame

# Formats whose first plane is the lightness, a byte each.
_WITH_LUMA = frozenset({"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "nv12", "nv21", "gray"})


def sound_stream(container: Any) -> Any:
    """The first sound stream of a codec that is known, or None."""
    return next((one for one in container.streams.audio if one.codec_context is not None), None)


def picture_stream(container: Any) -> Any:
    """The first video stream of a codec that is known, but not the cover picture of a sound file; or None."""
    cover = av.stream.Disposition.attached_pic
    known = (one for one in container.streams.video if one.codec_context is not None and not one.disposition & cover)
    return next(known, None)


class DecodedFrame(LazyFrame):
    """A picture as its decoder left it. `turn`: of the stream that it comes from; it is shared, for making one costs
    more than using it."""

    __slots__ = ()

    def __init__(self, source: str, seq: int, t_s: float, picture: Any, turn: Upright) -> None:
        super().__init__(source, seq, t_s, partial(turn, picture), partial(turn.light, picture))


class Upright:
    """Turns one stream's decoded pictures into upright BGR pixels (h, w, 3).

    `aspect`: width of a stored pixel / its height; the result's pixels are square.
    """

    def __init__(self, aspect: float) -> None:
        self._aspect = aspect
        self._scaler = VideoReformatter()
        self._one_at_a_time = threading.Lock()  # a stream that was reopened may still be looked at

    def __call__(self, picture: Any) -> npt.NDArray[np.uint8]:
        """BGR pixels of `picture`, turned as its file asks for."""
        with self._one_at_a_time:
            width = round(picture.width * self._aspect)
            pixels = self._scaler.reformat(picture, width=width, format="bgr24", threads=1).to_ndarray()
        if turns := round(picture.rotation / 90) % 4:  # counter-clockwise
            pixels = np.rot90(pixels, turns)
        return np.ascontiguousarray(pixels, np.uint8)

    def light(self, picture: Any) -> npt.NDArray[np.uint8] | None:
        """Lightness of `picture` where it lies in it upright and with square pixels, (h, w); else None."""
        if (
            picture.format.name not in _WITH_LUMA
            or picture.rotation
            or round(picture.width * self._aspect) != picture.width
        ):
            return None
        plane = picture.planes[0]
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        return rows[: picture.height, : picture.width]
