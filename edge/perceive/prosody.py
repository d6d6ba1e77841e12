"""Prosody: pitch, level, rate and pauses over the last seconds of speech, as evidence that can be put into words."""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from edge.perceive.pitch import HOP_S, PitchTracker
from edge.perceive.speech import CHUNK_S, Chunk
from edge.types import Prosody

WINDOW_S = 3.0
_EVERY_S = 0.5
_LEAST_SPEECH_S = 0.4  # less does not carry a rate or a range
_SILENCE_S = 2.0  # after this much silence a new window begins
_IS_SPEECH = 0.35  # speech probability, as in the gate
_BATCH = 8  # chunks worked on at once: numpy's cost per call, shared

_DIP_DB = 2.0  # between two syllable nuclei (de Jong & Wempe 2009)
_NUCLEUS_BELOW_DB = 15.0  # a nucleus is at most this far under the loudest
_NUCLEUS_APART_S = 0.1
_SMOOTH = 5  # frames of 10 ms over which level is averaged

Array = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]


class ProsodyReader:
    """Follows one voice; gives an observation every half second while it speaks."""

    def __init__(self) -> None:
        self._pitch = PitchTracker()
        self.reset()

    def reset(self) -> None:
        """Forget the voice."""
        self._pitch.reset()
        self._waiting: list[Chunk] = []
        self._frames: deque[tuple[Array, Array, Array, Mask]] = deque()  # t_s, dB, Hz or nan, speech
        self._told_s = -np.inf

    def feed(self, chunk: Chunk) -> Prosody | None:
        """Hear the next chunk."""
        if chunk.last_speech_s is None or chunk.end_s - chunk.last_speech_s > _SILENCE_S:
            if self._frames or self._waiting:
                self.reset()
            return None
        self._waiting.append(chunk)
        if len(self._waiting) < _BATCH:
            return None
        self._measure()
        if chunk.utterance_start_s is None or chunk.end_s - self._told_s < _EVERY_S:
            return None
        found = self._summary(chunk.end_s)
        if found is not None:
            self._told_s = chunk.end_s
        return found

    def _measure(self) -> None:
        first, samples = self._waiting[0], np.concatenate([one.samples for one in self._waiting])
        spoken = np.array([one.activity.probability >= _IS_SPEECH for one in self._waiting])
        end_s = self._waiting[-1].end_s
        self._waiting = []
        level_db, pitch_hz = self._pitch.feed(samples)
        t_s = end_s - np.arange(len(level_db), 0, -1) * HOP_S  # 10 ms of error is no matter here
        at = np.clip(((t_s - first.t_s) / CHUNK_S).astype(int), 0, len(spoken) - 1)
        self._frames.append((t_s, level_db, np.where(spoken[at], pitch_hz, np.nan), spoken[at]))
        while self._frames and (not self._frames[0][0].size or self._frames[0][0][-1] < end_s - WINDOW_S):
            self._frames.popleft()

    def _summary(self, now_s: float) -> Prosody | None:
        t_s, db, hz, spoken = (np.concatenate(parts) for parts in zip(*self._frames, strict=True))
        said = np.flatnonzero(spoken)
        if said.size * HOP_S < _LEAST_SPEECH_S:
            return None
        inside = slice(said[0], said[-1] + 1)
        t_s, db, hz, spoken = t_s[inside], db[inside], hz[inside], spoken[inside]
        voiced = np.isfinite(hz)
        semitones = 12 * np.log2(hz[voiced] / 100.0)
        enough = semitones.size * HOP_S >= 0.2
        speech_s = float(spoken.sum()) * HOP_S
        return Prosody(
            t_s=now_s,
            window_s=float(t_s[-1] - t_s[0]) + HOP_S,
            pitch_hz=float(np.median(hz[voiced])) if enough else None,
            pitch_slope_st_s=_slope(t_s[voiced], semitones) if enough else None,
            pitch_range_st=float(np.ptp(np.percentile(semitones, [10, 90]))) if enough else None,
            energy_db=float(10 * np.log10(np.mean(10 ** (db[spoken] / 10)))),
            rate_hz=nuclei(db, voiced) / speech_s if enough else None,  # nuclei are voiced: a whisper shows none
            pause_fraction=1.0 - float(spoken.mean()),
            voiced_fraction=float(voiced.sum() / spoken.sum()),
        )


def _slope(t_s: Array, semitones: Array) -> float | None:
    """Semitones per second by least squares; None where the voiced parts span too little time."""
    if t_s[-1] - t_s[0] < 0.3:
        return None
    t = t_s - t_s.mean()
    return float((t @ (semitones - semitones.mean())) / (t @ t))


def nuclei(level_db: Array, voiced: Mask) -> int:
    """Syllable nuclei: voiced peaks of the smoothed level with a dip of 2 dB between them (de Jong & Wempe 2009).

    Both arrays have shape (n,), one value per 10 ms.
    """
    if level_db.size < _SMOOTH:
        return 0
    padded = np.pad(level_db, _SMOOTH // 2, mode="edge")
    smooth = np.convolve(padded, np.full(_SMOOTH, 1 / _SMOOTH), mode="valid")
    floor = float(smooth.max()) - _NUCLEUS_BELOW_DB
    rises = np.diff(smooth)
    peaks = np.flatnonzero((rises[:-1] > 0) & (rises[1:] <= 0)) + 1
    if not peaks.size and smooth.size and voiced.any():
        return 1
    kept: list[int] = []
    for peak in peaks:
        if smooth[peak] < floor or not voiced[max(0, peak - 1) : peak + 2].any():
            continue
        if kept:
            dip = float(smooth[kept[-1] : peak + 1].min())
            shallow = min(smooth[peak], smooth[kept[-1]]) - dip < _DIP_DB
            if shallow or (peak - kept[-1]) * HOP_S < _NUCLEUS_APART_S:
                if smooth[peak] > smooth[kept[-1]]:
                    kept[-1] = int(peak)
                continue
        kept.append(int(peak))
    return len(kept)
