"""From encoder frames to affect: our own small head, in numpy alone.

Frames are pooled over the window by their mean and their spread, and two linear layers read the pooled vector:
the finer set, whose first four are the core classes (a layer that learns all tells these four better apart), and
vocal bursts. Probabilities are calibrated by a temperature that depends on how much speech was heard. The recipe
is `mien train voice`.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models import store
from models.errors import InputError, ModelCorrupt
from models.whisper_encoder import BLOCKS, FRAME_S, WIDTH

Array = npt.NDArray[np.float32]

CORE = ("neutral", "happy", "sad", "angry")
MIN_FRAMES = 20  # 0.4 s: under half a second nothing is said of a voice

# Where the core classes lie on the circumplex (valence, arousal), after Russell 1980: fixed, not learned.
_PLACES = np.array([[0.0, -0.2], [0.8, 0.6], [-0.7, -0.5], [-0.6, 0.8]], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class VoiceEstimate:
    """What a window of speech sounds like. `confidence`: calibrated probability that the top class is right.

    `valence` and `arousal` in [-1, 1] are derived from `probs`, not measured.
    """

    probs: Mapping[str, float]
    fine: Mapping[str, float]
    bursts: Mapping[str, float]
    valence: float
    arousal: float
    confidence: float
    unclear: bool
    listened_s: float


class VoiceHead:
    """The head of a weights file; by default the shipped one, from the store.

    Raises ModelMissing or ModelCorrupt.
    """

    def __init__(self, file: Path | None = None) -> None:
        path = store.path("voice_head") if file is None else file
        try:
            with np.load(path) as archive:
                self._w = {name: archive[name].astype(np.float32) for name in archive.files if "labels" not in name}
                self.fine_labels = tuple(str(name) for name in archive["fine_labels"])
                self.burst_labels = tuple(str(name) for name in archive["burst_labels"])  # the first: none of them
        except (OSError, ValueError, KeyError) as error:
            raise ModelCorrupt(f"{path} is not a voice head: run `mien train voice` again ({error})") from error

    @property
    def neutral_logits(self) -> Array:
        """Core logits (4,) of neutral speech, on average over people whom the head never heard. Raises ModelCorrupt."""
        if "neutral_logits" not in self._w:
            raise ModelCorrupt("this voice head is too old to be tuned: run `mien train voice` again")
        found: Array = self._w["neutral_logits"]
        return found

    def tuned(self, shift: Array) -> VoiceHead:
        """This head for one person: `shift` (4,) is taken away from the logits of the core classes."""
        bias = self._w["fine_bias"].copy()
        bias[: len(CORE)] -= shift
        head = copy.copy(self)
        head._w = self._w | {"fine_bias": bias}
        return head

    def pool(self, frames: Array) -> Array:
        """Encoder frames (T, 1152) → one normalised vector (2304,): mean and spread of each number over the window.

        Raises InputError where the frames are of another shape.
        """
        vector: Array = (pooled(frames) - self._w["pooled_mean"]) * self._w["pooled_scale"]
        return vector

    def logits(self, frames: Array) -> tuple[Array, Array]:
        """Fine and burst logits of a window of frames (T, 1152), before calibration."""
        vector, w = self.pool(frames), self._w
        fine, burst = (vector @ w[k] + w[f"{k}_bias"] for k in ("fine", "burst"))
        return fine, burst

    def estimate(self, frames: Array) -> VoiceEstimate | None:
        """Affect of one window of frames (T, 1152); None where it holds too little speech."""
        return self.judge([frames])

    def probs(self, frames: Array) -> dict[str, float] | None:
        """Probabilities, as `estimate` has them, of the core classes alone of one window (T, 1152), at half its cost.

        None where it holds too little speech. Raises InputError.
        """
        if len(frames) < MIN_FRAMES:
            return None
        core = slice(len(CORE))
        logits: Array = self.pool(frames) @ self._w["fine"][:, core] + self._w["fine_bias"][core]
        return _named(CORE, _softmax(logits / self._temperature(len(frames) * FRAME_S)))

    def judge(self, windows: list[Array]) -> VoiceEstimate | None:
        """One estimate of several windows of the same speech, each weighing as much as it is long."""
        heard = self._together(windows)
        if heard is None:
            return None
        fine, burst, listened_s = heard
        fine /= self._temperature(listened_s)
        probs = _softmax(fine[: len(CORE)])
        valence, arousal = probs @ _PLACES
        confidence = float(probs.max())
        return VoiceEstimate(
            probs=_named(CORE, probs),
            fine=_named(self.fine_labels, _softmax(fine)),
            bursts=_named(self.burst_labels, _softmax(burst), skip=1),
            valence=float(valence),
            arousal=float(arousal),
            confidence=confidence,
            unclear=confidence < float(self._w["clear_from"]),
            listened_s=listened_s,
        )

    def _temperature(self, listened_s: float) -> np.float32:
        return np.float32(np.interp(listened_s, self._w["temperature_at_s"], self._w["temperature"]))

    def core_logits(self, windows: list[Array]) -> Array | None:
        """Logits (4,) of the core classes over several windows, before calibration; None where they are too short."""
        heard = self._together(windows)
        return None if heard is None else heard[0][: len(CORE)]

    def _together(self, windows: list[Array]) -> tuple[Array, Array, float] | None:
        """(fine logits, burst logits, seconds) of all windows that are long enough."""
        windows = [window for window in windows if len(window) >= MIN_FRAMES]
        if not windows:
            return None
        frames = np.array([len(window) for window in windows], dtype=np.float32)
        heard = [self.logits(window) for window in windows]
        fine, burst = (frames / frames.sum() @ np.stack([one[i] for one in heard]) for i in range(2))
        return fine, burst, float(frames.sum()) * FRAME_S


def pooled(frames: Array) -> Array:
    """Mean and standard deviation over time of (T, 1152) frames, joined: (2304,). Raises InputError."""
    if frames.ndim != 2 or frames.shape[1] != BLOCKS * WIDTH or not len(frames):
        raise InputError(f"the voice head takes frames of {BLOCKS * WIDTH} numbers, these are {frames.shape}")
    share = np.full(len(frames), 1.0 / len(frames), dtype=np.float32)
    mean = share @ frames  # a product takes half the time of a mean over the first axis
    squares = frames - mean
    squares *= squares
    spread = np.sqrt(share @ squares + np.float32(1e-4))
    joined: Array = np.concatenate([mean, spread])
    return joined


def _named(labels: tuple[str, ...], values: Array, skip: int = 0) -> dict[str, float]:
    return dict(zip(labels[skip:], values[skip:].tolist(), strict=True))


def _softmax(logits: Array) -> Array:
    weights = np.exp(logits - logits.max())
    probs: Array = weights / weights.sum()
    return probs
