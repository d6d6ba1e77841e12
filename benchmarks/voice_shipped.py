"""The shipped voice head on recordings it never trained on."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edge.perceive.voice import RecordingReader
from models.train.voice_data import read_sound, sample
from models.train.voice_fit import recall
from models.voice_head import CORE

_FOUR = {"neutral": "neutral", "calm": "neutral", "happy": "happy", "sad": "sad", "angry": "angry"}
_AROUSED = np.array([name in ("happy", "angry") for name in CORE])
_BINS = 15


def zero_shot(limit: int | None) -> tuple[dict[str, float], dict[str, Any]]:
    """Four classes and calibration on RAVDESS, whole recordings through the deployed gate, encoder and head.

    A recording in which too little speech was found counts as wrong.
    """
    clips = [clip for clip in sample("ravdess", limit) if clip.label in _FOUR]
    probs = np.full((len(clips), len(CORE)), 1.0 / len(CORE), dtype=np.float64)
    unheard, reader = 0, RecordingReader()
    for row, clip in enumerate(clips):
        affect = reader.read(read_sound(clip.file))
        if affect is None:
            unheard += 1
            continue
        probs[row] = [affect.probs[name] for name in CORE]
    y = np.array([CORE.index(_FOUR[clip.label]) for clip in clips])
    metrics, detail = judge(probs, y)
    detail |= by_speaker(probs.argmax(axis=1), y, np.array([clip.speaker for clip in clips]))
    return metrics, detail | {"clips": len(clips), "no_speech_found": unheard}


def judge(probs: npt.NDArray[np.float64], y: npt.NDArray[np.int64]) -> tuple[dict[str, float], dict[str, Any]]:
    """The metrics of calibrated `probs` (n, 4) against the true classes `y` (n,)."""
    guess, confidence = probs.argmax(axis=1), probs.max(axis=1)
    right = guess == y
    surest = np.argsort(-confidence, kind="stable")[: round(0.7 * len(y))]
    per_class = {CORE[label]: float(right[y == label].mean()) for label in np.unique(y)}
    metrics = {
        "zeroshot4_uar": recall(y, guess),
        "zeroshot4_neutral_recall": per_class.get("neutral", float("nan")),
        "zeroshot_arousal_ba": recall(_AROUSED[y].astype(np.int64), _AROUSED[guess].astype(np.int64)),
        "ece": ece(confidence, right),
        "error_full": float(1.0 - right.mean()),
        "error_at_70": float(1.0 - right[surest].mean()),
    }
    return metrics, {"recall": per_class}


def by_speaker(
    guess: npt.NDArray[np.int64], y: npt.NDArray[np.int64], speakers: npt.NDArray[np.str_]
) -> dict[str, dict[str, float]]:
    """UAR of each of RAVDESS' actors, `rav01` to `rav24`, and of the men (odd numbers) and the women."""
    male = np.array([int(name[3:]) % 2 == 1 for name in speakers])
    sides = {"male": male, "female": ~male}
    return {
        "actors": {str(name): recall(y[speakers == name], guess[speakers == name]) for name in np.unique(speakers)},
        "genders": {name: recall(y[rows], guess[rows]) for name, rows in sides.items() if rows.any()},
    }


def ece(confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> float:
    """Expected calibration error over 15 equal bins (Guo et al. 2017)."""
    bins = np.minimum((confidence * _BINS).astype(np.int64), _BINS - 1)
    gaps = [
        abs(float(confidence[bins == one].mean() - right[bins == one].mean())) * float((bins == one).mean())
        for one in np.unique(bins)
    ]
    return float(sum(gaps))
