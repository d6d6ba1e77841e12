"""Facial expression of one face: eight categories with calibrated doubt, from our own int8 net.

Trained on FER+ (Barsoum et al. 2016) by `mien train face`; its card is `models/cards/expression.toml`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from models.errors import InputError
from models.face_session import open_face
from models.session import Session, open_model, open_session

EXPRESSIONS = ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt")
"""Order of the net's outputs (that of the FER+ votes)."""

INPUT_SIZE = 48
"""Side of the square grey crop, in pixels."""

_FLAT = 4.0  # grey levels of deviation: less is a lens cap, not a face

# Where each expression is placed on (valence, arousal): our own choice on the circumplex (Russell 1980), neutral at the
# origin. Nothing here is measured, which is why what is computed from it is called derived.
_PLACES = np.array(
    [(0.0, 0.0), (0.8, 0.5), (0.2, 0.7), (-0.6, -0.3), (-0.5, 0.6), (-0.6, 0.35), (-0.6, 0.6), (-0.3, -0.1)],
    np.float32,
)


@dataclass(frozen=True, slots=True)
class Expression:
    """What one face shows.

    `probs` are calibrated, over EXPRESSIONS, and sum to 1; `confidence` is that of `label`. `valence` and `arousal` in
    [-1, 1] are derived from `probs`, not measured. `unclear`: a listener should hear "hard to read", not `label`.
    """

    label: str
    probs: Mapping[str, float]
    valence: float
    arousal: float
    confidence: float
    unclear: bool


class ExpressionNet:
    """The net of file `file`; by default the shipped one, from the store. Raises ModelError.

    The crop it was made for, from face landmarks: a square around the middle of the landmarks' box, its side 0.95-1.08
    of the box' longer side, turned so that the eyes are level, grey, scaled to INPUT_SIZE with linear interpolation.
    """

    INPUT_SIZE = INPUT_SIZE

    def __init__(self, file: Path | None = None) -> None:
        self._session = _shipped() if file is None else open_session(file)

    def read(self, crop: npt.NDArray[np.uint8]) -> Expression:
        """The expression on one uint8 (48, 48) crop. Raises InputError for any other shape or type.

        The net cannot tell whether the crop holds a face: ask only about faces that were found.
        """
        if crop.ndim != 2:
            raise InputError(f"one grey crop has 2 axes, this has {crop.ndim}: use probabilities() for several")
        shares, clear_from = self._run(crop[None])
        row = shares[0]
        top = int(row.argmax())
        valence, arousal = row @ _PLACES
        confidence = float(row[top])
        return Expression(
            label=EXPRESSIONS[top],
            probs={name: float(share) for name, share in zip(EXPRESSIONS, row, strict=True)},
            valence=float(valence),
            arousal=float(arousal),
            confidence=confidence,
            unclear=confidence < clear_from or _mean_and_spread(crop)[1] < _FLAT,
        )

    def probabilities(self, crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Calibrated probabilities (N, 8) over EXPRESSIONS of uint8 (N, 48, 48) crops. Raises InputError."""
        return self._run(crops)[0]

    def _run(self, crops: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.float32], float]:
        if crops.dtype != np.uint8 or crops.ndim != 3 or crops.shape[1:] != (INPUT_SIZE, INPUT_SIZE) or not len(crops):
            raise InputError(
                f"the expression net takes uint8 crops of {INPUT_SIZE}x{INPUT_SIZE} grey pixels, "
                f"these are {crops.dtype} {crops.shape}: cut them out and scale them first"
            )
        rows = []
        for face in standardise(crops)[:, None]:  # LiteRT takes one at a time
            shares, clear_from = self._session.run(face)
            rows.append(shares[0])
        return np.array(rows, np.float32), float(clear_from[0])


def _shipped() -> Session:
    """The shipped net, on the engine that costs least here; both hold the same integers and agree to four digits.

    ONNX Runtime takes two thirds of the time on x86 without VNNI, but 30 MB: it is used where the process has it
    anyway, for the voice, or where there is no LiteRT.
    """
    return open_model("expression_onnx") if "onnxruntime" in sys.modules else open_face("expression")


def standardise(crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """(N, H, W) grey levels -> (N, 1, H, W), each picture with mean 0 and deviation 1.

    Takes brightness and contrast out, which a room changes and a face does not. A flat picture stays near 0.
    """
    standard = np.empty((len(crops), 1, *crops.shape[1:]), np.float32)
    for grey, place in zip(crops, standard[:, 0], strict=True):
        mean, spread = _mean_and_spread(grey)
        np.multiply(grey, np.float32(1.0 / max(spread, _FLAT)), out=place)
        np.subtract(place, np.float32(mean / max(spread, _FLAT)), out=place)
    return standard


def _mean_and_spread(grey: npt.NDArray[np.uint8]) -> tuple[float, float]:
    """Of the grey levels. OpenCV takes a tenth of numpy's time."""
    mean, spread = cv2.meanStdDev(grey)
    return float(mean[0, 0]), float(spread[0, 0])
