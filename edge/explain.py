"""One picture of a session: sound, words, affect of voice, face and both, gaze, incongruence, events, descriptions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edge.errors import OutputError
from edge.moment import Moment
from edge.sheet import INK, LEFT, PALE, RIGHT, SOFT, WIDTH, Colour, Curve, Point, Sheet, Stretch
from edge.types import SAMPLE_RATE, Affect, AudioFrame, Event, PersonState, SpeechActivity, VideoFrame, Words

HEAD, ROW, BAND, STRIP, GAP, LINE = 104, 96, 30, 72, 16, 24  # pixels
VOICE, FACE, BOTH, PITCH, CLASH = (178, 114, 0), (115, 158, 0), (205, 199, 193), (167, 121, 204), (0, 94, 213)
SPEECH, AWAY = (246, 238, 226), (226, 236, 250)  # colours that the colour-blind can tell apart (Okabe & Ito 2008)
FEELINGS: dict[str, Colour] = {
    "neutral": (160, 152, 144),
    "happy": (32, 160, 230),
    "sad": (178, 114, 0),
    "angry": (40, 60, 205),
    "fear": (167, 80, 150),
    "disgust": (70, 130, 90),
    "surprise": (190, 170, 40),
    "contempt": (90, 90, 130),
}
_EVENTS = 60
_BINS_PER_S = 100
_QUIET = 0.02  # of full scale: a room in which nobody speaks is not drawn as loud as a voice
_THUMBNAIL_S = 0.1  # at least so far apart are pictures kept
_THUMBNAILS = 400  # then every second one is dropped
_TITLES = {"words_voice": "words × voice", "voice_face": "voice × face", "words_face": "words × face"}


class Timeline:
    """Collects what the loop made of one recording, then draws it. Keeps loudness, never the sound; small pictures."""

    def __init__(self, title: str = "") -> None:
        self._title = title
        self._loud: list[Point] = []
        self._speech: list[tuple[float, bool]] = []
        self._words: list[Words] = []
        self._pictures: list[tuple[float, npt.NDArray[np.uint8]]] = []
        self._every_s = _THUMBNAIL_S
        self._states: list[PersonState] = []
        self._events: list[Event] = []
        self._said: list[tuple[float, int, tuple[tuple[str, str], ...]]] = []

    def sound(self, frame: AudioFrame) -> None:
        """Loudness of a frame, in bins of 10 ms."""
        size = SAMPLE_RATE // _BINS_PER_S
        for start in range(0, len(frame.samples), size):
            peak = float(np.abs(frame.samples[start : start + size]).max())
            self._loud.append((frame.t_s + start / SAMPLE_RATE, peak))

    def picture(self, frame: VideoFrame) -> None:
        """Keep a thumbnail now and then."""
        if self._pictures and frame.t_s - self._pictures[-1][0] < self._every_s:
            return
        colour = cv2.cvtColor(frame.pixels, cv2.COLOR_GRAY2BGR) if frame.pixels.ndim == 2 else frame.pixels
        width = max(1, round(colour.shape[1] * STRIP / colour.shape[0]))
        small = cv2.resize(colour, (min(width, 4 * STRIP), STRIP), interpolation=cv2.INTER_AREA)
        self._pictures.append((frame.t_s, np.asarray(small, np.uint8)))
        if len(self._pictures) > _THUMBNAILS:
            self._pictures, self._every_s = self._pictures[::2], 2 * self._every_s

    def moment(self, moment: Moment) -> None:
        """One step of the loop; of several people the one who speaks, or is seen, is drawn."""
        self._speech += [(o.t_s, o.speaking) for o in moment.observations if isinstance(o, SpeechActivity)]
        self._words += [o for o in moment.observations if isinstance(o, Words) and o.final]
        if moment.states:
            self._states.append(max(moment.states, key=lambda s: (bool(s.speaking), s.face_box is not None)))
        self._events += moment.events
        for one in moment.descriptions:
            lines = (("Voice", one.audio), ("Face", one.visual), ("Together", one.joint))
            parts = tuple((name, text) for name, text in lines if text)
            last = next((told for _, person, told in reversed(self._said) if person == one.person), None)
            if parts and parts != last:  # an end that was only likely is told again once it is certain
                self._said.append((one.t_s, one.person, parts))

    def rows(self) -> dict[str, tuple[int, int]]:
        """Top and height of every row that this session has."""
        heights = {"picture": STRIP if self._pictures else 0, "sound": ROW, "words": BAND if self._words else 0}
        heights |= {"voice": BAND, "face": BAND, "both": BAND}
        heights |= {"valence": ROW, "arousal": ROW, "gaze": ROW, "incongruence": ROW}
        found, top = {}, HEAD
        for name, height in heights.items():
            if height:
                found[name] = (top, height)
                top += height + (4 if name in ("voice", "face") else GAP)
        return found

    def draw(self) -> npt.NDArray[np.uint8]:
        """The picture: uint8, shape (h, 1600, 3), BGR."""
        rows = self.rows()
        bottom = sum(rows["incongruence"])
        lines = sum(len(parts) for *_, parts in self._said)
        start_s, end_s = self._span()
        sheet = Sheet(bottom + 150 + LINE * (lines + 3) + 8 * len(self._said), start_s, end_s)
        sheet.text(self._title or "Session", 24, 42, INK, 24, bold=True)
        sheet.text("What was heard and seen, and what was made of it. Estimates, not facts.", 24, 66, SOFT, 14)
        for name, (top, height) in rows.items():
            self._draw_row(sheet, name, top, height)
        sheet.seconds(HEAD - 4, bottom)
        for name, (top, height) in rows.items():
            self._fill(sheet, name, top, height)
        self._draw_events(sheet, bottom)
        y = bottom + 120
        sheet.text("In words", 24, y, INK, 15, bold=True)
        return sheet.pixels[: self._draw_said(sheet, y) + LINE]

    def save(self, file: Path) -> None:
        """Write the picture; its kind is the name's ending. Raises OutputError."""
        try:
            ok = cv2.imwrite(str(file), self.draw())
        except cv2.error as error:
            raise OutputError(f"{file} cannot be written: use a name that ends in .png or .jpg") from error
        if not ok:
            raise OutputError(f"{file} cannot be written: is the folder there, and writable?")

    # ------------------------------------------------------------ what the rows show

    def _draw_row(self, sheet: Sheet, name: str, top: int, height: int) -> None:
        title = "Together" if name == "both" else name.capitalize()
        sheet.row(title, top, height, note="speech is shaded" if name == "sound" else "")
        if name == "sound":
            sheet.shade(self._runs(), top, height, SPEECH)
        elif name == "gaze":
            sheet.shade(self._away(), top, height, AWAY)

    def _fill(self, sheet: Sheet, name: str, top: int, height: int) -> None:
        match name:
            case "picture":
                sheet.strip(self._pictures, top)
            case "sound":
                loudest = max([_QUIET, *(peak for _, peak in self._loud)])
                runs = self._runs()
                bars = [(t, p / loudest, VOICE if any(a <= t <= b for a, b in runs) else BOTH) for t, p in self._loud]
                sheet.bars(bars, top, height)
            case "words":
                sheet.band([Stretch(w.start_s, w.end_s, w.text, PALE) for w in self._words], top, height)
            case "voice" | "face" | "both":
                sheet.band(self._feelings("fused" if name == "both" else name), top, height)
            case "valence":
                sheet.curves(self._affect(lambda a: a.valence), top, height, -1, 1)
            case "arousal":
                sheet.curves(self._affect(lambda a: a.arousal), top, height, -1, 1)
            case "gaze":
                sheet.curves(self._gaze(), top, height, -45, 45)
            case "incongruence":
                sheet.curves(self._clash(), top, height, 0, 1)

    def _span(self) -> tuple[float, float]:
        times = [t for t, _ in self._loud] + [s.t_s for s in self._states]
        return (min(times), max(times)) if times else (0.0, 1.0)

    def _runs(self) -> list[tuple[float, float]]:
        return _stretches(self._speech)

    def _away(self) -> list[tuple[float, float]]:
        return _stretches([(s.t_s, s.attention is not None and s.attention.on_target is False) for s in self._states])

    def _feelings(self, part: str) -> list[Stretch]:
        found: list[Stretch] = []
        whose: int | None = None
        for state, after in pairwise(self._states):
            affect: Affect | None = getattr(state, part)
            if affect is None or after.t_s - state.t_s > 1:
                continue
            if affect.unclear:
                text, colour, sure = "unclear", SOFT, 0.0
            else:
                text, colour = affect.label, FEELINGS[affect.label]
                sure = affect.probs[affect.label] if affect.confidence is None else affect.confidence
            last = found[-1] if found else None
            before, whose = whose, state.person
            if last is not None and last.text == text and last.end_s == state.t_s and before == whose:
                share = (state.t_s - last.start_s) / (after.t_s - last.start_s)
                mean = share * last.strength + (1 - share) * sure
                found[-1] = Stretch(last.start_s, after.t_s, text, colour, mean)
            else:
                found.append(Stretch(state.t_s, after.t_s, text, colour, sure))
        return found

    def _affect(self, value: Callable[[Affect], float]) -> list[Curve]:
        curves = [Curve("together", BOTH, width=7), Curve("voice", VOICE), Curve("face", FACE)]  # together lies beneath
        for state in self._states:
            for curve, affect in zip(curves, (state.fused, state.voice, state.face), strict=True):
                curve.points.append(None if affect is None or affect.unclear else (state.t_s, value(affect)))
        return curves

    def _gaze(self) -> list[Curve]:
        curves = [Curve("to the side (°)", FACE), Curve("up, down (°)", PITCH)]
        for state in self._states:
            gaze = None if state.attention is None else state.attention.gaze_deg
            for index, curve in enumerate(curves):
                curve.points.append(None if gaze is None else (state.t_s, gaze[index]))
        return curves

    def _clash(self) -> list[Curve]:
        curves = [Curve(_TITLES[name], colour) for name, colour in zip(_TITLES, (VOICE, CLASH, FACE), strict=True)]
        for state in self._states:
            known = {item.between: item.strength for item in state.incongruence}
            for curve, name in zip(curves, _TITLES, strict=True):
                curve.points.append((state.t_s, known[name]) if name in known else None)
        return curves

    def _draw_said(self, sheet: Sheet, y: int) -> int:
        """The descriptions, from `y` on; of several people with the person's number. Where they end."""
        if not self._said:
            said = "Somebody is there; nothing more can be said." if self._states else "Nobody was seen or heard."
            sheet.text(said, LEFT, y, SOFT, 15)
        several = len({person for _, person, _ in self._said}) > 1
        for t_s, person, parts in self._said:
            sheet.text(f"{t_s - sheet.start_s:.1f} s", LEFT, y, SOFT, 14)
            if several:
                sheet.text(f"Person {person}" if person else "Unseen", LEFT + 70, y, SOFT, 14)
            left = LEFT + (160 if several else 70)
            for name, text in parts:
                sheet.text(name, left, y, CLASH if name == "Together" else SOFT, 14)
                sheet.text(text, left + 90, y, INK, 15)
                y += LINE
            y += 8
        return y

    def _draw_events(self, sheet: Sheet, bottom: int) -> None:
        """Names below the rows in four lines, each with a thread up to its time."""
        sheet.text("Events", 24, bottom + 30, INK, 15, bold=True)
        several = len({event.person for event in self._events if event.person}) > 1
        for index, event in enumerate(self._events[-_EVENTS:]):
            x, y = sheet.x(event.t_s), bottom + 30 + 18 * (index % 4)
            colour = CLASH if event.priority == "alert" else INK
            cv2.line(sheet.pixels, (x, bottom), (x, y - 6), SOFT, 1)
            cv2.circle(sheet.pixels, (x, y - 5), 3, colour, -1, cv2.LINE_AA)
            name = event.name.replace("_", " ") + (f" ({event.person})" if event.person and several else "")
            room = WIDTH - RIGHT - x - 8
            sheet.text(name, x + 8 if sheet.wide(name, 13) <= room else x - 8 - sheet.wide(name, 13), y, colour, 13)


def _stretches(flags: Sequence[tuple[float, bool]]) -> list[tuple[float, float]]:
    """Where a flag held, from its first moment to the next known one after its last."""
    runs: list[tuple[float, float]] = []
    for (a, holds), (b, _) in pairwise(flags):
        if holds and runs and runs[-1][1] == a:
            runs[-1] = (runs[-1][0], b)
        elif holds:
            runs.append((a, b))
    return runs
