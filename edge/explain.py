"""One picture of a session: sound, speech, affect of voice, face and both, gaze, incongruence, events, descriptions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edge.errors import OutputError
from edge.moment import Moment
from edge.types import Affect, AudioFrame, Event, PersonState, SpeechActivity

Colour = tuple[int, int, int]  # BGR
Point = tuple[float, float]

_WIDTH, _LEFT, _RIGHT = 1500, 150, 20
_ROW, _GAP, _LINE = 110, 26, 20  # pixels
_INK, _PALE, _SPEECH = (40, 40, 40), (210, 210, 210), (225, 240, 225)
_VOICE, _FACE, _BOTH, _GAZE, _CLASH = (190, 110, 20), (40, 130, 30), (175, 175, 175), (150, 60, 140), (40, 40, 210)
_BINS_PER_S = 100


@dataclass(slots=True)
class _Curve:
    """A named line; a hole of more than half a second, or an unknown value, breaks it."""

    name: str
    colour: Colour
    points: list[Point | None] = field(default_factory=list)
    width: int = 2


class Timeline:
    """Collects what the loop made of one recording, then draws it. Keeps loudness, never the sound itself."""

    def __init__(self) -> None:
        self._loud: list[Point] = []
        self._speech: list[tuple[float, bool]] = []
        self._states: list[PersonState] = []
        self._events: list[Event] = []
        self._said: list[tuple[float, str]] = []

    def sound(self, frame: AudioFrame) -> None:
        """Loudness of a frame, in bins of 10 ms."""
        size = max(1, round(len(frame.samples) / max(1, round((frame.end_s - frame.t_s) * _BINS_PER_S))))
        for start in range(0, len(frame.samples), size):
            peak = float(np.abs(frame.samples[start : start + size]).max())
            self._loud.append((frame.t_s + start / 16_000, peak))

    def moment(self, moment: Moment) -> None:
        """One step of the loop; of several people the one who speaks, or is seen, is drawn."""
        self._speech += [(o.t_s, o.speaking) for o in moment.observations if isinstance(o, SpeechActivity)]
        if moment.states:
            self._states.append(max(moment.states, key=lambda s: (bool(s.speaking), s.face_box is not None)))
        self._events += moment.events
        for one in moment.descriptions:
            lines = (("heard", one.audio), ("seen", one.visual), ("both", one.joint))
            self._said.append((one.t_s, "   ".join(f"{name}: {text}" for name, text in lines if text)))

    def draw(self) -> npt.NDArray[np.uint8]:
        """The picture: uint8, shape (h, 1500, 3), BGR."""
        rows: list[tuple[str, Callable[[_Sheet, int], None]]] = [
            ("sound, speech", self._draw_sound),
            ("valence", lambda sheet, top: sheet.curves(self._affect(lambda a: a.valence), top, -1, 1)),
            ("arousal", lambda sheet, top: sheet.curves(self._affect(lambda a: a.arousal), top, -1, 1)),
            ("gaze (deg)", lambda sheet, top: sheet.curves(self._gaze(), top, -45, 45)),
            ("incongruence", lambda sheet, top: sheet.curves(self._clash(), top, 0, 1)),
        ]
        said = list(dict.fromkeys(self._said))
        events = self._events[-60:]
        height = len(rows) * (_ROW + _GAP) + 130 + _LINE * (2 * len(said) + 3)
        sheet = _Sheet(height, *self._span())
        for index, (name, draw) in enumerate(rows):
            top = _GAP + index * (_ROW + _GAP)
            sheet.frame(name, top, self._runs())
            draw(sheet, top)
        bottom = _GAP + len(rows) * (_ROW + _GAP)
        sheet.events(events, bottom)
        y = bottom + 120
        sheet.text("descriptions", 10, y, _INK)
        for t_s, text in said:
            sheet.text(f"{t_s - sheet.start_s:6.2f} s  {text}", _LEFT, y, _INK)
            y += _LINE
        return sheet.pixels[: y + _LINE]

    def save(self, file: Path) -> None:
        """Write the picture; its kind is the name's ending. Raises OutputError."""
        try:
            ok = cv2.imwrite(str(file), self.draw())
        except cv2.error as error:
            raise OutputError(f"{file} cannot be written: use a name that ends in .png or .jpg") from error
        if not ok:
            raise OutputError(f"{file} cannot be written: is the folder there, and writable?")

    # ------------------------------------------------------------ what the rows show

    def _span(self) -> tuple[float, float]:
        times = [t for t, _ in self._loud] + [s.t_s for s in self._states]
        return (min(times), max(times)) if times else (0.0, 1.0)

    def _runs(self) -> list[tuple[float, float]]:
        """Stretches of speech."""
        runs: list[tuple[float, float]] = []
        for (a, speaking), (b, _) in pairwise(self._speech):
            if speaking and runs and runs[-1][1] == a:
                runs[-1] = (runs[-1][0], b)
            elif speaking:
                runs.append((a, b))
        return runs

    def _draw_sound(self, sheet: _Sheet, top: int) -> None:
        loudest = max((peak for _, peak in self._loud), default=0.0) or 1.0
        for t_s, peak in self._loud:
            half = int(_ROW / 2 * peak / loudest)
            x, middle = sheet.x(t_s), top + _ROW // 2
            cv2.line(sheet.pixels, (x, middle - half), (x, middle + half), _VOICE, 1)

    def _affect(self, value: Callable[[Affect], float]) -> list[_Curve]:
        curves = [_Curve("both", _BOTH, width=6), _Curve("voice", _VOICE), _Curve("face", _FACE)]  # both lies beneath
        for state in self._states:
            for curve, affect in zip(curves, (state.fused, state.voice, state.face), strict=True):
                curve.points.append(None if affect is None or affect.unclear else (state.t_s, value(affect)))
        return curves

    def _gaze(self) -> list[_Curve]:
        curves = [_Curve("yaw", _GAZE), _Curve("pitch", _FACE)]
        for state in self._states:
            gaze = None if state.attention is None else state.attention.gaze_deg
            for index, curve in enumerate(curves):
                curve.points.append(None if gaze is None else (state.t_s, gaze[index]))
        return curves

    def _clash(self) -> list[_Curve]:
        names = (("words_voice", _VOICE), ("voice_face", _CLASH), ("words_face", _FACE))
        curves = [_Curve(name.replace("_", " x "), colour) for name, colour in names]
        for state in self._states:
            known = {item.between: item.strength for item in state.incongruence}
            for curve, (name, _) in zip(curves, names, strict=True):
                curve.points.append((state.t_s, known[name]) if name in known else None)
        return curves


class _Sheet:
    """A white sheet with a time axis."""

    def __init__(self, height: int, start_s: float, end_s: float) -> None:
        self.pixels: npt.NDArray[np.uint8] = np.full((height, _WIDTH, 3), 255, dtype=np.uint8)
        self.start_s, self._length_s = start_s, max(end_s - start_s, 0.1)

    def x(self, t_s: float) -> int:
        share = min(max((t_s - self.start_s) / self._length_s, 0.0), 1.0)
        return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT))

    def text(self, text: str, x: int, y: int, colour: Colour, scale: float = 0.45) -> None:
        plain = text.encode("ascii", "replace").decode()  # the font knows no more
        cv2.putText(self.pixels, plain, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, colour, 1, cv2.LINE_AA)

    def frame(self, name: str, top: int, speech: Sequence[tuple[float, float]]) -> None:
        for a, b in speech:
            cv2.rectangle(self.pixels, (self.x(a), top), (self.x(b), top + _ROW), _SPEECH, -1)
        cv2.rectangle(self.pixels, (_LEFT, top), (_WIDTH - _RIGHT, top + _ROW), _PALE, 1)
        self.text(name, 10, top + 14, _INK)

    def curves(self, curves: Sequence[_Curve], top: int, low: float, high: float) -> None:
        """Lines between `low` (bottom) and `high` (top), with a legend."""
        for index, curve in enumerate(curves):
            self.text(curve.name, 10, top + 36 + 18 * index, curve.colour)
            for a, b in pairwise(curve.points):
                if a is None or b is None or b[0] - a[0] > 0.5:
                    continue
                ends = [(self.x(t), self._y(value, top, low, high)) for t, value in (a, b)]
                cv2.line(self.pixels, ends[0], ends[1], curve.colour, curve.width, cv2.LINE_AA)
        if low < 0 < high:
            y = self._y(0.0, top, low, high)
            cv2.line(self.pixels, (_LEFT, y), (_WIDTH - _RIGHT, y), _PALE, 1)
        self.text(f"{high:g}", _LEFT - 28, top + 10, _INK, 0.35)
        self.text(f"{low:g}", _LEFT - 28, top + _ROW, _INK, 0.35)

    def _y(self, value: float, top: int, low: float, high: float) -> int:
        share = (min(max(value, low), high) - low) / (high - low)
        return round(top + _ROW * (1 - share))

    def events(self, events: Sequence[Event], top: int) -> None:
        """Names below the rows in four lines, each with a thread up to its time; and the seconds."""
        for index, event in enumerate(events):
            x, y = self.x(event.t_s), top + 30 + 16 * (index % 4)
            colour = _CLASH if event.priority == "alert" else _INK
            cv2.line(self.pixels, (x, _GAP), (x, y - 10), (*_PALE[:2], 180), 1)
            self.text(event.name, min(x, _WIDTH - 8 * len(event.name) - _RIGHT), y, colour, 0.4)
        step = next((s for s in (0.5, 1, 2, 5, 10, 30, 60, 300) if self._length_s / s <= 20), 600)
        for i in range(int(self._length_s / step) + 1):
            self.text(f"{i * step:g} s", self.x(self.start_s + i * step) - 8, top - 8, _INK, 0.4)
