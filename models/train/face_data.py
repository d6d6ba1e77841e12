"""FER+ as arrays: grey pictures, vote distributions, majority labels.

Source: Barsoum et al. 2016, "Training Deep Networks for Facial Expression Recognition with
Crowd-Sourced Label Distribution". Votes are MIT; the pixels are FER2013's web images.
"""

from __future__ import annotations

import csv
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from models.errors import ModelError

Split = Literal["train", "valid", "test"]

CLASSES = 8
NO_MAJORITY = -1


@dataclass(frozen=True)
class Faces:
    """One split. All arrays share their first axis N."""

    pixels: npt.NDArray[np.uint8]  # (N, 48, 48)
    votes: npt.NDArray[np.float32]  # (N, 8), each row sums to 1; votes of a single rater dropped
    majority: npt.NDArray[np.int64]  # (N,) 0-7, or NO_MAJORITY for ties, unknown and not-a-face

    def __len__(self) -> int:
        return len(self.pixels)

    def decided(self) -> Faces:
        """The rows that have a majority label (the FER+ 8-class protocol)."""
        return self.take(self.majority != NO_MAJORITY)

    def take(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> Faces:
        """Some rows, by mask or by number."""
        return Faces(self.pixels[rows], self.votes[rows], self.majority[rows])


def load(data: Path, split: Split) -> Faces:
    """Read one split from `data/faces/`, or raise ModelError when it is not there.

    Rows whose votes are all for "unknown"/"not a face" cannot teach an expression and are left out.
    """
    archive = data / "faces" / "ferplus.zip"
    table = data / "faces" / "ferplus_votes.csv"
    if not archive.is_file() or not table.is_file():
        raise ModelError(
            f"FER+ is not in {data / 'faces'}: put ferplus.zip and ferplus_votes.csv there "
            "or point --data (MIEN_DATA) at the folder that holds faces/"
        )
    pixels: list[npt.NDArray[np.uint8]] = []
    votes: list[npt.NDArray[np.float32]] = []
    majority: list[int] = []
    with zipfile.ZipFile(archive) as files, table.open(newline="") as rows:
        reader = csv.reader(rows)
        next(reader)
        for name, *counts in reader:
            if not name.startswith(split + "/"):
                continue
            raw = np.array([int(count) for count in counts], np.float32)
            soft = soft_label(raw)
            if soft is None:
                continue
            grey = cv2.imdecode(np.frombuffer(files.read(name), np.uint8), cv2.IMREAD_GRAYSCALE)
            if grey is None:
                raise ModelError(f"{archive}: {name} is not a picture; fetch the archive again")
            pixels.append(np.asarray(grey, np.uint8))
            votes.append(soft)
            majority.append(majority_label(raw))
    return Faces(np.stack(pixels), np.stack(votes), np.array(majority, np.int64))


def soft_label(counts: npt.NDArray[np.float32]) -> npt.NDArray[np.float32] | None:
    """Vote shares over the 8 expressions; a lone vote counts as noise (as in the FER+ paper)."""
    if counts.argmax() >= CLASSES:
        return None
    kept = np.where(counts[:CLASSES] > 1, counts[:CLASSES], 0)
    if kept.sum() == 0:
        return None
    return (kept / kept.sum()).astype(np.float32)


def majority_label(counts: npt.NDArray[np.float32]) -> int:
    """The class with the most votes of all ten columns; NO_MAJORITY when tied or no expression."""
    winners = np.flatnonzero(counts == counts.max())
    if len(winners) != 1 or winners[0] >= CLASSES:
        return NO_MAJORITY
    return int(winners[0])
