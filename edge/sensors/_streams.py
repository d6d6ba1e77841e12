"""What FFmpeg found in a container, and its pictures as BGR pixels, turned into those only when they are looked at."""

from __future__ import annotations

import threading
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import VideoReformatter

from edge.types import VideoFrame


def sound_stream(container: Any) -> Any:
    """The first sound stream of a codec that is known, or None."""
    return next((one for one in container.streams.audio if one.codec_context is not None), None)


def picture_stream(container: Any) -> Any:
    """The first video stream of a codec that is known, but not the cover picture of a sound file; or None."""
    cover = av.stream.Disposition.attached_pic
    known = (one for one in container.streams.video if one.codec_context is not None and not one.disposition & cover)
    return next(known, None)


class DecodedFrame(VideoFrame):
    """A picture as its decoder left it. `pixels` are made at the first look: while nobody is there, or a board is slow,
    most pictures are never looked at. One thread at a time may look.

    `turn`: of the stream that it comes from; it is shared, for making one costs more than using it.
    """

    __slots__ = ("_made", "_picture", "_turn")
    _made: npt.NDArray[np.uint8] | None
    _picture: Any
    _turn: Upright

    def __init__(self, source: str, seq: int, t_s: float, picture: Any, turn: Upright) -> None:
        for name, value in (("source", source), ("seq", seq), ("t_s", t_s)):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "_made", None)
        object.__setattr__(self, "_picture", picture)
        object.__setattr__(self, "_turn", turn)

    @property
    def pixels(self) -> npt.NDArray[np.uint8]:  # a field there, made on demand here
        """uint8 (h, w, 3), BGR."""
        made = self._made
        if made is None:
            made = self._turn(self._picture)
            object.__setattr__(self, "_made", made)
            object.__setattr__(self, "_picture", None)
        return made


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
