"""Whisper's log-mel spectrogram (16 kHz, 80 bands, 25 ms window, 10 ms hop), in numpy alone.

Source: Radford et al. 2022, `whisper/audio.py`: periodic Hann of 400 samples, hop 160, power
spectrum, Slaney mel bands 0–8000 Hz with Slaney's area norm, log10, clamp to 8 decades under the
loudest cell, then `(x + 4) / 4`.

Two steps, so that a stream computes each frame once: `log_bands` depends on the frame's own 400
samples only; `normalise` looks at the whole window.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from models.errors import ModelError

SAMPLE_RATE_HZ = 16_000
WINDOW = 400  # samples, 25 ms
HOP = 160  # samples, 10 ms
BANDS = 80

_FLOOR = 1e-10
_DECADES = 8.0


class SampleRateError(ModelError, ValueError):
    """Sound came at a rate that the models were not trained at."""


def check_rate(sample_rate_hz: int) -> None:
    """Raise SampleRateError unless the rate is 16 kHz."""
    if sample_rate_hz != SAMPLE_RATE_HZ:
        raise SampleRateError(
            f"sound is at {sample_rate_hz} Hz, the voice models need {SAMPLE_RATE_HZ} Hz: "
            "resample it with a filter before it comes here"
        )


def _hz_to_mel(hz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Slaney's scale: linear below 1 kHz, logarithmic above (Auditory Toolbox, 1998)."""
    linear = hz / (200.0 / 3.0)
    log = 15.0 + np.log(np.maximum(hz, 1000.0) / 1000.0) / (np.log(6.4) / 27.0)
    return np.where(hz < 1000.0, linear, log)


def _mel_to_hz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    linear = mel * (200.0 / 3.0)
    log = 1000.0 * np.exp((np.log(6.4) / 27.0) * (mel - 15.0))
    return np.where(mel < 15.0, linear, log)


@functools.cache
def mel_filters() -> npt.NDArray[np.float32]:
    """Triangular bands, shape (201, 80): FFT bins → mel bands, each of equal area."""
    bins_hz = np.fft.rfftfreq(WINDOW, 1.0 / SAMPLE_RATE_HZ)
    low, high = _hz_to_mel(np.array([0.0, SAMPLE_RATE_HZ / 2]))
    edges_hz = _mel_to_hz(np.linspace(low, high, BANDS + 2))
    widths = np.diff(edges_hz)
    ramps = edges_hz[:, None] - bins_hz[None, :]
    rising = -ramps[:-2] / widths[:-1, None]
    falling = ramps[2:] / widths[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    triangles *= (2.0 / (edges_hz[2:] - edges_hz[:-2]))[:, None]
    return np.ascontiguousarray(triangles.T, dtype=np.float32)


@functools.cache
def _hann() -> npt.NDArray[np.float32]:
    return np.hanning(WINDOW + 1)[:-1].astype(np.float32)  # periodic, as torch.hann_window


def log_bands(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """log10 mel energies of every whole 25 ms window that starts on a multiple of the hop.

    `samples`: mono float in [-1, 1], shape (n,). Returns shape (max(0, (n - 400) // 160 + 1), 80),
    at least -10. Frame i covers samples [160 i, 160 i + 400): feed it with 240 samples of overlap
    and the frames of a stream equal those of the whole recording.
    """
    if samples.shape[0] < WINDOW:
        return np.zeros((0, BANDS), dtype=np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]
    spectrum = np.fft.rfft(frames * _hann(), axis=1)
    power = spectrum.real**2 + spectrum.imag**2
    bands = power.astype(np.float32) @ mel_filters()
    logs: npt.NDArray[np.float32] = np.log10(np.maximum(bands, np.float32(_FLOOR)))
    return logs


def normalise(logs: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Whisper's scaling of a window of `log_bands`: 8 decades of range, then (x + 4) / 4."""
    floor = np.float32(logs.max(initial=-10.0) - _DECADES)
    scaled: npt.NDArray[np.float32] = (np.maximum(logs, floor) + np.float32(4.0)) / np.float32(4.0)
    return scaled


def log_mel(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Whisper's own spectrogram of a whole recording, shape (n // 160, 80).

    The ends are mirrored by 200 samples, as `torch.stft(center=True)` does, so that frame i is
    centred on sample 160 i. Needs more than 200 samples; fewer give zero rows.
    """
    half = WINDOW // 2
    if samples.shape[0] <= half:
        return np.zeros((0, BANDS), dtype=np.float32)
    logs = log_bands(np.pad(samples, half, mode="reflect"))
    return normalise(logs[: samples.shape[0] // HOP])
