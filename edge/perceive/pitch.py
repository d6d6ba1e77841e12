"""Pitch and level, frame by frame: McLeod's normalised square difference (McLeod & Wyvill 2005), in numpy.

The sound is brought to 8 kHz through a filter, which is enough for 60–500 Hz and halves the work. The first peak
near the highest one is taken, which guards against octaves below; a short median guards against single slips.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

HOP_S = 0.01
LOWEST_HZ, HIGHEST_HZ = 60.0, 500.0

_RATE = 8_000  # Hz
_WINDOW = 320  # samples of 8 kHz, 40 ms
_HOP = 80  # 10 ms
_FFT = 512  # ≥ window + longest lag
_LEAST_LAG, _MOST_LAG = int(_RATE / HIGHEST_HZ), int(_RATE / LOWEST_HZ)
_NEAR_HIGHEST = 0.85  # McLeod's k
_CLARITY = 0.65  # height of the peak from which a frame is voiced
_QUIET_DB = -60.0  # below this nothing is voiced
_TAPS = 31

Array = npt.NDArray[np.float32]


class PitchTracker:
    """Streams blocks of any size; gives each 10 ms frame once, delayed by what the window needs."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget what was heard."""
        self._fast: Array = np.zeros(_TAPS - 1, dtype=np.float32)  # 16 kHz, waits for the filter
        self._slow: Array = np.zeros(0, dtype=np.float32)  # 8 kHz, waits for a whole window

    def feed(self, samples: npt.NDArray[np.float32]) -> tuple[Array, Array]:
        """Level in dBFS (RMS) and pitch in Hz (nan where unvoiced) of each frame that is now whole.

        `samples`: float32, shape (n,), 16 kHz, n even. Returns two arrays of one shape (frames,).
        """
        fast = np.concatenate((self._fast, samples))
        self._fast = fast[-(_TAPS - 1) :]
        halved = np.convolve(fast, _low_pass(), mode="valid")[::2]
        slow = np.concatenate((self._slow, halved))
        if slow.size < _WINDOW:
            self._slow = slow
            return np.zeros(0, dtype=np.float32), np.zeros(0, dtype=np.float32)
        frames = np.lib.stride_tricks.sliding_window_view(slow, _WINDOW)[::_HOP]
        self._slow = slow[len(frames) * _HOP :]
        level_db: Array = 10 * np.log10(np.mean(frames**2, axis=1) + np.float32(1e-12))
        pitch_hz = _pitch(frames - frames.mean(axis=1, keepdims=True))
        pitch_hz[level_db < _QUIET_DB] = np.nan
        return level_db, _without_slips(pitch_hz)


@functools.cache
def _low_pass() -> Array:
    """Windowed sinc for halving the rate: passes to 3.4 kHz; the ear of a pitch tracker needs no steeper one."""
    n = np.arange(_TAPS) - _TAPS // 2
    taps = np.sinc(n * 3_600 * 2 / 16_000) * np.hamming(_TAPS)
    filtered: Array = (taps / taps.sum()).astype(np.float32)
    return filtered


def _pitch(frames: Array) -> Array:
    """Pitch in Hz of each row, nan where no clear period is."""
    spectrum = np.fft.rfft(frames, _FFT, axis=1)
    correlation = np.fft.irfft(spectrum.real**2 + spectrum.imag**2, _FFT, axis=1)[:, : _MOST_LAG + 2]
    squares = np.cumsum(frames**2, axis=1)  # of 320 values: float32 is enough
    total = squares[:, -1:]
    lags = np.arange(1, _MOST_LAG + 2)
    head = squares[:, _WINDOW - 1 - lags]  # energy of x[0 : w - lag]
    tail = total - squares[:, lags - 1]  # energy of x[lag : w]
    clarity = np.zeros_like(correlation)
    clarity[:, 1:] = 2 * correlation[:, 1:] / (head + tail + 1e-9)
    middle = clarity[:, 1:-1]
    is_peak = (middle > clarity[:, :-2]) & (middle >= clarity[:, 2:]) & (middle > 0)
    is_peak[:, : _LEAST_LAG - 1] = False  # column c is lag c + 1
    heights = np.where(is_peak, middle, 0.0)
    highest = heights.max(axis=1)
    lag = np.argmax(heights >= _NEAR_HIGHEST * highest[:, None], axis=1) + 1
    rows = np.arange(len(frames))
    left, top, right = clarity[rows, lag - 1], clarity[rows, lag], clarity[rows, lag + 1]
    bend = left - 2 * top + right
    shift = np.where(np.abs(bend) > 1e-9, 0.5 * (left - right) / np.where(np.abs(bend) > 1e-9, bend, 1.0), 0.0)
    pitch: Array = np.where(highest >= _CLARITY, _RATE / (lag + np.clip(shift, -0.5, 0.5)), np.nan)
    return pitch


def _without_slips(pitch_hz: Array) -> Array:
    """Drops frames that stand more than 5 semitones off the median of their five neighbours, and lone ones."""
    if pitch_hz.size < 3:
        return pitch_hz
    padded = np.pad(pitch_hz, 2, constant_values=np.nan)
    around = np.lib.stride_tricks.sliding_window_view(padded, 5)
    known = np.isfinite(around).sum(axis=1)
    ordered = np.sort(around, axis=1)  # nan last
    middle = ordered[np.arange(len(ordered)), np.maximum(known - 1, 0) // 2]
    with np.errstate(invalid="ignore"):
        keep = (np.abs(np.log2(pitch_hz / middle)) <= 5 / 12) & (known >= 2)
    return np.where(keep, pitch_hz, np.float32(np.nan))
