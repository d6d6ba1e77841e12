"""A white sheet with a time axis: rows of curves, bands, pictures and words, drawn with OpenCV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise, zip_longest
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Colour = tuple[int, int, int]  # BGR
Point = tuple[float, float]
Picture = npt.NDArray[np.uint8]

WIDTH, LEFT, RIGHT = 1600, 170, 40  # pixels
INK, SOFT, PALE, WHITE = (51, 41, 33), (140, 128, 118), (232, 228, 224), (255, 255, 255)
_HOLE_S = 0.5


@dataclass(slots=True)
class Curve:
    """A named line; a hole of more than half a second, or an unknown value, breaks it."""

    name: str
    colour: Colour
    points: list[Point | None] = field(default_factory=list)
    width: int = 2


@dataclass(frozen=True, slots=True)
class Stretch:
    """A coloured stretch of time with a word in it; `strength` 0–1 is how full its colour is."""

    start_s: float
    end_s: float
    text: str
    colour: Colour
    strength: float = 1.0


class Sheet:
    """Draws at monotonic times between `start_s` and `end_s`; `pixels`: uint8 (height, WIDTH, 3), BGR."""

    def __init__(self, height: int, start_s: float, end_s: float) -> None:
        self.pixels: Picture = np.full((height, WIDTH, 3), 255, dtype=np.uint8)
        self.start_s, self.length_s = start_s, max(end_s - start_s, 0.1)

    def x(self, t_s: float) -> int:
        """Pixel column of a time; what lies outside is drawn at the rim."""
        share = min(max((t_s - self.start_s) / self.length_s, 0.0), 1.0)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT))

    def text(self, text: str, x: int, y: int, colour: Colour = INK, size: int = 15, *, bold: bool = False) -> None:
        """Write with the baseline at `y`; `size` in pixels."""
        if hasattr(cv2, "FontFace"):
            self.pixels = _written(cv2.putText(self.pixels, text, (x, y), colour, _face(), size, 700 if bold else 400))
            return
        plain = text.encode("ascii", "replace").decode()  # OpenCV 4 has no more letters
        cv2.putText(self.pixels, plain, (x, y), cv2.FONT_HERSHEY_SIMPLEX, size / 32, colour, 1 + bold, cv2.LINE_AA)

    def wide(self, text: str, size: int = 15) -> int:
        """How many pixels `text` takes."""
        if hasattr(cv2, "FontFace"):
            return int(cv2.getTextSize((0, 0), text, (0, 0), _face(), size, 400)[2])
        return int(cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size / 32, 1)[0][0])

    def shortened(self, text: str, room: int, size: int) -> str:
        """`text`, cut with an ellipsis to what fits into `room` pixels; empty where nothing does."""
        if self.wide(text, size) <= room:
            return text
        while text and self.wide(f"{text}…", size) > room:
            text = text[:-1]
        return f"{text.rstrip()}…" if len(text) > 2 else ""

    def row(self, name: str, top: int, height: int, *, note: str = "") -> None:
        """Name a row, with a smaller note beneath, and underlay it."""
        cv2.rectangle(self.pixels, (LEFT, top), (WIDTH - RIGHT, top + height), (250, 249, 247), -1)
        self.text(name, 24, top + 16, INK, 15, bold=True)
        if note:
            self.text(note, 24, top + 34, SOFT, 12)

    def seconds(self, top: int, bottom: int) -> None:
        """The time axis above `top`, with fine lines down to `bottom`."""
        step = next((s for s in (0.5, 1, 2, 5, 10, 30, 60, 300) if self.length_s / s <= 16), 600)
        for i in range(int(self.length_s / step + 1e-6) + 1):
            x = self.x(self.start_s + i * step)
            cv2.line(self.pixels, (x, top), (x, bottom), PALE, 1)
            self.text(f"{i * step:g} s", x - 8, top - 8, SOFT, 12)

    def shade(self, stretches: Sequence[tuple[float, float]], top: int, height: int, colour: Colour) -> None:
        """Underlay stretches of time."""
        for a, b in stretches:
            cv2.rectangle(self.pixels, (self.x(a), top), (self.x(b), top + height), colour, -1)

    def bars(self, bars: Sequence[tuple[float, float, Colour]], top: int, height: int) -> None:
        """Upright bars about the row's middle: (time, 0–1 of half the row, colour)."""
        middle = top + height // 2
        for (t_s, share, colour), after in zip_longest(bars, bars[1:]):
            half, left = int(height / 2 * share), self.x(t_s)
            right = left if after is None else max(self.x(after[0]) - 1, left)
            cv2.rectangle(self.pixels, (left, middle - half), (right, middle + half), colour, -1)

    def curves(self, curves: Sequence[Curve], top: int, height: int, low: float, high: float) -> None:
        """Lines between `low` (bottom) and `high` (top), with a legend at the row's name."""

        def y(value: float) -> int:
            return round(top + height * (1 - (min(max(value, low), high) - low) / (high - low)))

        if low < 0 < high:
            cv2.line(self.pixels, (LEFT, y(0.0)), (WIDTH - RIGHT, y(0.0)), PALE, 1)
        for value in (low, high):
            self.text(f"{value:g}", WIDTH - RIGHT + 6, y(value) + (10 if value == high else 0), SOFT, 11)
        for index, curve in enumerate(curves):
            line = top + 36 + 18 * index
            cv2.line(self.pixels, (26, line - 5), (42, line - 5), curve.colour, 3, cv2.LINE_AA)
            self.text(curve.name, 50, line, INK, 12)
            for a, b in pairwise(curve.points):
                if a is None or b is None or b[0] - a[0] > _HOLE_S:
                    continue
                ends = [(self.x(t), y(value)) for t, value in (a, b)]
                cv2.line(self.pixels, ends[0], ends[1], curve.colour, curve.width, cv2.LINE_AA)

    def band(self, stretches: Sequence[Stretch], top: int, height: int) -> None:
        """Coloured stretches with their words; paler where weaker."""
        for one in stretches:
            left, right = self.x(one.start_s), max(self.x(one.end_s), self.x(one.start_s) + 2)
            share = 0.25 + 0.75 * min(max(one.strength, 0.0), 1.0)
            colour = tuple(round(255 + share * (c - 255)) for c in one.colour)
            cv2.rectangle(self.pixels, (left, top), (right - 1, top + height), colour, -1)
            if word := self.shortened(one.text, right - left - 10, 13):
                self.text(
                    word, left + 6, top + height // 2 + 5, INK if share <= 0.7 or min(one.colour) > 190 else WHITE, 13
                )

    def strip(self, pictures: Sequence[tuple[float, Picture]], top: int) -> None:
        """Pictures of one height, each centred at its time; those for which there is no room are left out."""
        free = LEFT
        for t_s, picture in pictures:
            rows, columns = picture.shape[:2]
            left = min(max(self.x(t_s) - columns // 2, LEFT), WIDTH - RIGHT - columns)
            if left >= free:
                self.pixels[top : top + rows, left : left + columns] = picture
                free = left + columns + 6


def _face() -> Any:
    return cv2.FontFace("sans")


def _written(found: object) -> Picture:
    """The picture out of what OpenCV 5 returns, a pair with the pen's place."""
    return np.asarray(found[1] if isinstance(found, tuple) else found, dtype=np.uint8)
