"""How people join a voice and a face: a small net learned from human votes on the same clips (CREMA-D).

Raters judged each clip by voice alone, by face alone and by both. The net maps the first two distributions to the
third; entropies and agreement are among its inputs, so the weight of a channel depends on how sure it is and on how
far the two disagree. numpy only; ≈ 0.02 ms.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from models import store
from models.errors import InputError, ModelCorrupt

CLASSES = ("neutral", "happy", "sad", "angry", "fear", "disgust")
PLEASANT, UNPLEASANT = ("happy",), ("sad", "angry", "fear", "disgust", "contempt")
VOICE_CLASSES = CLASSES[:4]  # what a voice head says; humans also vote fear and disgust
_DOUBT = 0.05  # of leaning_odds(): what is mostly neither pleasant nor unpleasant leans nowhere
_UNIFORM = 0.15  # as the add-0.3 smoothing of about ten votes; keeps the logarithms bounded

Floats = npt.NDArray[np.float32]
Number = TypeVar("Number", float, npt.NDArray[np.float64])


def features(voice: npt.NDArray[np.floating], face: npt.NDArray[np.floating], coarse: npt.NDArray[np.bool_]) -> Floats:
    """Inputs of the net: (n, 6), (n, 6), (n,) → (n, 28). Rows of `voice` and `face` sum to 1.

    `coarse` marks rows whose voice distribution covers VOICE_CLASSES only.
    """
    v = (1 - _UNIFORM) * voice + _UNIFORM / 6
    f = (1 - _UNIFORM) * face + _UNIFORM / 6
    log_v, log_f = np.log(v), np.log(f)
    flag = coarse.astype(v.dtype)[:, None]
    doubt_v = -(v * log_v).sum(1, keepdims=True)
    doubt_f = -(f * log_f).sum(1, keepdims=True)
    agree = (v * f).sum(1, keepdims=True)
    return np.concatenate([v, f, log_v, log_f, doubt_v, doubt_f, agree, flag], axis=1).astype(np.float32)


def leaning_odds(pleasant: Number, unpleasant: Number, odds: float = 1.0) -> Number:
    """Logarithm of the odds that a distribution is pleasant rather than unpleasant; 0 where it is mostly neither.

    `pleasant` and `unpleasant` are probabilities of either side. `odds`: how often the unpleasant side occurred for one
    pleasant case in the data that the probabilities are calibrated on; it is taken out.
    """
    p, u = pleasant * (2 * odds / (1 + odds)), unpleasant * (2 / (1 + odds))
    found: Number = np.log((p + _DOUBT) / (u + _DOUBT))
    return found


class Fusion:
    """The joint judgement of voice and face. Weights: `models/weights/fusion.npz`."""

    def __init__(self) -> None:
        """Load the weights. Raises ModelMissing or ModelCorrupt."""
        file = store.path("fusion")
        try:
            with np.load(file) as arrays:
                self._mean, self._scale, self._w1, self._b1, self._w2, self._b2 = (
                    arrays[name].astype(np.float32) for name in ("mean", "scale", "w1", "b1", "w2", "b2")
                )
                self._rare, self._rarest = (float(value) for value in arrays["gap"])
        except (KeyError, ValueError, OSError) as error:
            raise ModelCorrupt(
                f"{file} is not a fusion model: run `mien train fusion` or check it out again"
            ) from error

    def many(self, voice: Floats, face: Floats, coarse: npt.NDArray[np.bool_]) -> Floats:
        """Joint distributions (n, 6) from voice (n, 6) and face (n, 6); see `features`."""
        x = (features(voice, face, coarse) - self._mean) * self._scale
        hidden = np.maximum(x @ self._w1 + self._b1, 0)
        logits = hidden @ self._w2 + self._b2
        logits -= logits.max(axis=1, keepdims=True)
        probs = np.exp(logits)
        return np.asarray(probs / probs.sum(axis=1, keepdims=True), dtype=np.float32)

    def join(self, voice: npt.ArrayLike, face: npt.ArrayLike, *, coarse: bool = True) -> Floats:
        """The joint distribution (6,) over CLASSES from two distributions (6,); both non-negative with a sum of 1.

        Raises InputError. With one channel missing there is nothing to join: use the other as it is.
        """
        v, f = (np.asarray(side, dtype=np.float32) for side in (voice, face))
        for name, side in (("voice", v), ("face", f)):
            if (
                side.shape != (6,)
                or not np.isfinite(side).all()
                or (side < 0).any()
                or abs(float(side.sum()) - 1) > 1e-3
            ):
                raise InputError(f"the {name} distribution must be 6 non-negative numbers with a sum of 1, not {side}")
        joint: Floats = self.many(v[None], f[None], np.array([coarse]))[0]
        return joint

    def gap_strength(self, opposition: float) -> float:
        """How unusual an opposition of two channels (-1 … 1) is among sincere clips, 0–1.

        2 % of them reach 0.5, 0.5 % reach 0.9; in between it is linear.
        """
        if opposition <= self._rare:
            return max(0.5 * opposition / self._rare, 0.0)
        if opposition <= self._rarest:
            return 0.5 + 0.4 * (opposition - self._rare) / (self._rarest - self._rare)
        return min(0.9 + 0.1 * (opposition - self._rarest) / (1 - self._rarest), 1.0)


@lru_cache(maxsize=1)
def load() -> Fusion:
    """The shipped fusion model, loaded once."""
    return Fusion()
