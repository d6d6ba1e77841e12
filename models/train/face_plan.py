"""What the expression net is taught, by which pictures and when; arrays alone, no torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.expression import INPUT_SIZE
from models.train.face_data import CLASSES

PEAK_RATE, LATER_RATE = 0.06, 0.03  # the later one for a net that starts from an earlier run
WARM_UP = 1.0  # epochs
SMALL_SIDE = 36  # pixels
SMALL_SHARE = 0.4  # of the epochs
STRENGTH, LATE_STRENGTH = 0.7, 0.4  # of the augmentation; the later one once pictures are whole, for the fine print
FINE_STRENGTH, FINE_SHARE = 0.2, 0.5  # towards what cameras mostly see, in this last share of the last run's epochs
BALANCE = 0.45  # a class is drawn in proportion to count ** (1 - BALANCE)
TAUGHT = 0.5  # share of the label that an earlier run gives: ten raters are few, and their votes scatter


@dataclass(frozen=True)
class Score:
    """On pictures that have a majority label; both 0-1."""

    accuracy: float
    macro_recall: float  # mean over the seven classes without contempt


@dataclass(frozen=True)
class Plan:
    """A run of `epochs`. `later`: it starts from an earlier run's net; `last`: no other follows it, so it ends on
    milder damage."""

    epochs: int
    later: bool = False
    last: bool = False

    def stage(self, epoch: int) -> tuple[int, float]:
        """The side of this epoch's pictures in pixels, and the strength of their augmentation."""
        if not self.later and epoch < SMALL_SHARE * self.epochs:
            return SMALL_SIDE, STRENGTH
        fine = self.last and epoch >= (1 - FINE_SHARE) * self.epochs
        return INPUT_SIZE, FINE_STRENGTH if fine else LATE_STRENGTH

    def rate(self, epoch: float) -> float:
        """The learning rate `epoch` epochs after the beginning."""
        peak = LATER_RATE if self.later else PEAK_RATE
        if epoch < WARM_UP:
            return peak * (0.05 + 0.95 * epoch / WARM_UP)
        done = min(1.0, (epoch - WARM_UP) / max(self.epochs - WARM_UP, 1e-6))
        return peak * 0.5 * (1 + math.cos(math.pi * done)) + 1e-5


def chances(votes: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """How likely each picture is drawn: rare expressions more often than they occur. `votes` (N, 8)."""
    kind = votes.argmax(1)
    count = np.bincount(kind, minlength=CLASSES)
    weight = np.asarray(count[kind] ** -BALANCE, np.float64)
    share: npt.NDArray[np.float64] = weight / weight.sum()
    return share


def taught(votes: npt.NDArray[np.float32], said: Sequence[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    """The votes (N, 8), with a share of what teachers say: the softmax of the mean of their logits, (N, 8) each."""
    logits = np.mean(said, axis=0)
    shares = np.exp(logits - logits.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    mixed: npt.NDArray[np.float32] = (1 - TAUGHT) * votes + TAUGHT * shares
    return mixed.astype(np.float32)


def score(logits: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> Score:
    """Accuracy over 8 classes and mean recall over the first 7 classes."""
    said = logits.argmax(1)
    recalls = [float((said[labels == kind] == kind).mean()) for kind in range(CLASSES - 1) if (labels == kind).any()]
    return Score(float((said == labels).mean()), float(np.mean(recalls)))
