"""What eyes and mouth tell over time: blinks, PERCLOS, yawns, graded drowsiness, and whether the person looks here.

Everything advances on time, never on the number of frames, and calibrates itself to the person: glasses, narrow eyes
and a camera beside the screen shift the figures, not the answer.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

import numpy as np

WINDOW_S = 60.0  # of PERCLOS and of the blink rate
_GAP_S = 0.25  # a longer hole between two looks counts as not seen
_HALF_LIFE_S = 90.0  # of the baseline

Level = Literal["calibrating", "alert", "tired", "drowsy"]


@dataclass(frozen=True, slots=True)
class EyeReading:
    """The eyes' state at one moment; fields as in `edge.types.Eyes`."""

    openness: float | None
    closed: bool
    blink_per_min: float | None
    perclos: float | None
    window_s: float
    yawning: bool
    drowsiness: Level


class EyeState:
    """Follows one person's eyes and mouth."""

    def __init__(self) -> None:
        self._open = _OpenLevel()
        self._last_s: float | None = None
        self._seen: deque[tuple[float, float, bool]] = deque()  # time, seconds, shut
        self._seen_s = 0.0
        self._shut_s = 0.0
        self._shut_since: float | None = None
        self._blinks: deque[float] = deque()
        self._long: deque[tuple[float, float]] = deque()  # end, length of closures that were no blinks
        self._yawn_since: float | None = None
        self._yawns: deque[float] = deque()
        self._yawning = False
        self._level: Level = "calibrating"
        self._level_s = 0.0

    def update(self, t_s: float, ear: float, mouth_open: float) -> EyeReading:
        """One look at time `t_s`, in order. `ear`: eye aspect ratio; `mouth_open`: as `face_geometry.mouth_open`."""
        step = 0.0 if self._last_s is None else min(max(t_s - self._last_s, 0.0), _GAP_S)
        self._last_s = t_s
        self._open.add(ear, step)
        openness = self._open.openness(ear)
        shut80 = openness is not None and openness <= 0.2  # P80: at least 80 % closed (Wierwille 1994)
        if openness is not None:
            self._count(t_s, step, shut80)
            self._blink(t_s, openness)
        self._yawn(t_s, mouth_open)
        self._judge(t_s)
        enough = self._seen_s >= 10.0
        return EyeReading(
            openness=openness,
            closed=self._shut_since is not None,
            blink_per_min=len(self._blinks) * 60.0 / self._seen_s if enough else None,
            perclos=self._shut_s / self._seen_s if enough else None,
            window_s=self._seen_s,
            yawning=self._yawning,
            drowsiness=self._level,
        )

    def _count(self, t_s: float, step: float, shut: bool) -> None:
        self._seen.append((t_s, step, shut))
        self._seen_s += step
        self._shut_s += step * shut
        while self._seen and self._seen[0][0] < t_s - WINDOW_S:
            _, old, was_shut = self._seen.popleft()
            self._seen_s -= old
            self._shut_s -= old * was_shut
        if self._shut_s < 1e-9:  # sums of floats drift
            self._shut_s = 0.0

    def _blink(self, t_s: float, openness: float) -> None:
        if self._shut_since is None:
            if openness < 0.35:
                self._shut_since = t_s
        elif openness > 0.5:
            length = t_s - self._shut_since
            self._shut_since = None
            if length <= 0.5:  # blinks last 0.1–0.4 s
                self._blinks.append(t_s)
            else:
                self._long.append((t_s, length))
        while self._blinks and self._blinks[0] < t_s - WINDOW_S:
            self._blinks.popleft()
        while self._long and self._long[0][0] < t_s - WINDOW_S:
            self._long.popleft()

    def _yawn(self, t_s: float, mouth_open: float) -> None:
        if mouth_open > 0.5:
            self._yawn_since = t_s if self._yawn_since is None else self._yawn_since
        elif mouth_open < 0.35:
            self._yawn_since = None
        yawning = self._yawn_since is not None and t_s - self._yawn_since >= 1.5  # vowels are over sooner
        if yawning and not self._yawning:
            self._yawns.append(t_s)
        self._yawning = yawning
        while self._yawns and self._yawns[0] < t_s - 300.0:
            self._yawns.popleft()

    def _judge(self, t_s: float) -> None:
        """Grades tiredness; a level is entered at a higher bar than it is left, and kept for 10 s at least."""
        shut_s = 0.0 if self._shut_since is None else t_s - self._shut_since
        if shut_s >= 2.0:
            self._enter("drowsy", t_s)
            return
        if self._seen_s < 20.0:
            return
        perclos = self._shut_s / self._seen_s
        longest = max((length for _, length in self._long), default=0.0)
        evidence = perclos + 0.04 * max(0, len(self._yawns) - 1) + (0.06 if longest >= 0.8 else 0.0)
        if self._level == "calibrating":
            self._enter("drowsy" if evidence >= 0.22 else "tired" if evidence >= 0.12 else "alert", t_s)
        elif self._level == "alert" and evidence >= 0.12:
            self._enter("tired", t_s)
        elif self._level == "tired" and evidence >= 0.22:
            self._enter("drowsy", t_s)
        elif t_s - self._level_s >= 10.0:
            if self._level == "drowsy" and evidence < 0.15:
                self._enter("tired", t_s)
            elif self._level == "tired" and evidence < 0.07:
                self._enter("alert", t_s)

    def _enter(self, level: Level, t_s: float) -> None:
        if level != self._level:
            self._level, self._level_s = level, t_s


class _OpenLevel:
    """How far this person's eyes are open when they are open: a high quantile of the recent eye aspect ratios."""

    _BINS = 80
    _TOP = 0.8

    def __init__(self) -> None:
        self._weight = np.zeros(self._BINS)
        self._total = 0.0
        self._level: float | None = None
        self._stale_s = 0.0

    def add(self, ear: float, seconds: float) -> None:
        keep = 0.5 ** (seconds / _HALF_LIFE_S)
        self._weight *= keep
        self._total = self._total * keep + seconds
        self._weight[min(self._BINS - 1, max(0, int(ear / self._TOP * self._BINS)))] += seconds
        self._stale_s += seconds
        if self._total >= 2.0 and self._stale_s >= 0.5:
            self._stale_s = 0.0
            share = np.cumsum(self._weight)
            index = int(np.searchsorted(share, 0.85 * share[-1]))
            # Nobody's open eyes measure less than 0.15: such a person has come with closed eyes.
            self._level = max(0.15, (index + 0.5) / self._BINS * self._TOP)

    def openness(self, ear: float) -> float | None:
        """0 shut – 1 as open as usual; None in the first two seconds."""
        if self._level is None:
            return None
        shut = 0.25 * self._level  # what the landmark net gives for shut lids
        return float(np.clip((ear - shut) / (self._level - shut), 0.0, 1.0))


class GazeTarget:
    """Knows where the person looks when looking here: the densest place of recent looks near the camera."""

    _CELL_DEG = 2.0
    _REACH_DEG = 20.0  # a screen or robot's face is not farther from its camera than this
    _NEAR_DEG = 10.0

    def __init__(self) -> None:
        self._side = int(2 * self._REACH_DEG / self._CELL_DEG)
        self._weight = np.zeros((self._side, self._side))
        self._neutral: tuple[float, float] | None = None
        self._last_s: float | None = None
        self._stale_s = 0.0
        self._on = False

    def update(self, t_s: float, yaw_deg: float, pitch_deg: float) -> bool | None:
        """Whether this look meets the device; None while that is not known yet."""
        step = 0.0 if self._last_s is None else min(max(t_s - self._last_s, 0.0), _GAP_S)
        self._last_s = t_s
        self._weight *= 0.5 ** (step / _HALF_LIFE_S)
        column = int((yaw_deg + self._REACH_DEG) / self._CELL_DEG)
        row = int((pitch_deg + self._REACH_DEG) / self._CELL_DEG)
        if 0 <= row < self._side and 0 <= column < self._side:
            self._weight[row, column] += step
        self._stale_s += step
        if self._stale_s >= 0.5:
            self._stale_s = 0.0
            self._find()
        if self._neutral is None:
            return False if max(abs(yaw_deg), abs(pitch_deg)) > self._REACH_DEG + 10.0 else None
        distance = float(np.hypot(yaw_deg - self._neutral[0], pitch_deg - self._neutral[1]))
        self._on = distance <= self._NEAR_DEG + (2.5 if self._on else 0.0)
        return self._on

    def _find(self) -> None:
        if self._weight.sum() < 2.0:
            return
        padded = np.pad(self._weight, 2)
        dense = sum(padded[r : r + self._side, c : c + self._side] for r in range(5) for c in range(5))  # 10° wide
        assert isinstance(dense, np.ndarray)
        centre = (np.arange(self._side) + 0.5) * self._CELL_DEG - self._REACH_DEG
        # A light pull to the camera decides between places looked at equally long.
        pull = np.exp(-(centre[:, None] ** 2 + centre[None, :] ** 2) / (2 * 25.0**2))
        row, column = np.unravel_index(int(np.argmax(dense * pull)), dense.shape)
        if dense[row, column] >= 0.35 * self._weight.sum() and dense[row, column] >= 1.5:
            self._neutral = (float(centre[column]), float(centre[row]))
