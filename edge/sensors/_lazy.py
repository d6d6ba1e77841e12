"""A picture as its source left it, turned into colours only when somebody looks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from edge.types import VideoFrame

Pixels = npt.NDArray[np.uint8]


class LazyFrame(VideoFrame):
    """`pixels` are made by `convert` at the first look: while nobody is there, or a board is slow, most pictures are
    never looked at. `light` gives what the source has of lightness alone, or None. One thread at a time may look."""

    __slots__ = ("_convert", "_light", "_made")
    _made: Pixels | None
    _convert: Callable[[], Pixels]
    _light: Callable[[], Pixels | None]

    def __init__(
        self,
        source: str,
        seq: int,
        t_s: float,
        convert: Callable[[], Pixels],
        light: Callable[[], Pixels | None] = lambda: None,
    ) -> None:
        values = {"source": source, "seq": seq, "t_s": t_s, "_made": None, "_convert": convert, "_light": light}
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @property
    def pixels(self) -> Pixels:  # a field there, made on demand here
        """uint8 (h, w, 3), BGR."""
        made = self._made
        if made is None:
            made = self._convert()
            object.__setattr__(self, "_made", made)
        return made

    @property
    def luma(self) -> Pixels:
        """As of any frame, without making colours where the source tells lightness apart from them."""
        light = self._light()
        return super().luma if light is None else light
