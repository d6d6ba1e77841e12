"""The recordings that voice heads learn from, and their frames, cached so that a recipe resumes.

A corpus is a CSV (file, speaker, label, note, duration_s) beside a folder of sounds, under `MIEN_DATA/speech`.
"""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.errors import InputError
from models.logmel import SAMPLE_RATE_HZ, check_rate
from models.whisper_encoder import BLOCKS, WIDTH, encode

Sound = npt.NDArray[np.float32]
Change = Callable[[int, Sound], Sound]  # (clip index, speech) → speech

_STEP = SAMPLE_RATE_HZ // 100
_QUIET_DB = 35.0  # speech ends where 50 ms of sound lie this far under the loudest
_MARGIN = SAMPLE_RATE_HZ // 10
_SHORTEST = SAMPLE_RATE_HZ // 2
_LONGEST = SAMPLE_RATE_HZ * 6


@dataclass(frozen=True, slots=True)
class Clip:
    """One labelled recording."""

    file: Path
    speaker: str
    label: str


@dataclass(frozen=True, slots=True)
class Frames:
    """Encoder frames of many clips, end to end: `flat` (sum of T, 1152) float16; clip i is bounds[i]:bounds[i+1]."""

    flat: npt.NDArray[np.float16]
    bounds: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def __getitem__(self, index: int) -> Sound:
        return self.flat[self.bounds[index] : self.bounds[index + 1]].astype(np.float32)


def data_folder() -> Path:
    """The folder that MIEN_DATA names. Raises InputError when it names none."""
    folder = os.environ.get("MIEN_DATA")
    if not folder or not Path(folder, "speech").is_dir():
        raise InputError("there is no speech data: set MIEN_DATA to the folder that holds speech/")
    return Path(folder)


def clips(corpus: str) -> list[Clip]:
    """All clips of `corpus` (emodb, emogator, ravdess), in the CSV's order. Raises InputError."""
    folder = data_folder() / "speech"
    table = folder / f"{corpus}.csv"
    if not table.is_file():
        raise InputError(f"corpus '{corpus}' is not in {folder}: put {table.name} and its folder there")
    with table.open(newline="", encoding="utf-8") as handle:
        return [Clip(folder / corpus / r["file"], r["speaker"], r["label"]) for r in csv.DictReader(handle)]


def read_sound(file: Path) -> Sound:
    """Mono 16 kHz samples of a sound file. Raises SampleRateError, and InputError when it cannot be decoded."""
    import soundfile

    try:
        samples, rate = soundfile.read(file, dtype="float32", always_2d=True)
    except (OSError, RuntimeError) as error:
        raise InputError(f"{file} cannot be decoded: {error}") from error
    check_rate(rate)
    mono: Sound = samples.mean(axis=1)
    return mono


def speech_part(sound: Sound) -> Sound:
    """The clip without silence at its ends (clean studio or web recordings), 0.5 to 6 s."""
    count = len(sound) // _STEP
    energy = np.square(sound[: count * _STEP].reshape(count, _STEP)).mean(axis=1)
    loud = np.sqrt(np.convolve(energy, np.full(5, 0.2), "same"))
    heard = np.flatnonzero(loud > loud.max() * 10.0 ** (-_QUIET_DB / 20.0))
    start = max(0, int(heard[0]) * _STEP - _MARGIN) if len(heard) else 0
    end = min(len(sound), (int(heard[-1]) + 1) * _STEP + _MARGIN) if len(heard) else len(sound)
    speech = sound[start : min(end, start + _LONGEST)]
    return np.pad(speech, (0, max(0, _SHORTEST - len(speech))))


def frames_of(
    corpus: str,
    variant: str,
    change: Change,
    cache: Path,
    *,
    keep: Callable[[Clip], bool] = lambda clip: True,
    encoder: Path | None = None,
    progress: Callable[[Sequence[Clip]], Sequence[Clip]] = lambda clips: clips,
) -> tuple[list[Clip], Frames]:
    """Encoder frames of every kept clip of `corpus` after `change`, from `cache` where they lie there.

    `variant` names the change and its seed; the file's name holds also a digest of the encoder's identity.
    """
    chosen = [clip for clip in clips(corpus) if keep(clip)]
    stamp = hashlib.sha256("\n".join(clip.file.name for clip in chosen).encode())
    stamp.update(str(encoder).encode())
    path = cache / f"{corpus}-{variant}-{stamp.hexdigest()[:8]}.npz"
    if not path.is_file():
        found: list[npt.NDArray[np.float16]] = []
        for index, clip in enumerate(progress(chosen)):
            speech = change(index, speech_part(read_sound(clip.file)))
            found.append(encode(speech, encoder).astype(np.float16))
        flat = np.concatenate(found) if found else np.zeros((0, BLOCKS * WIDTH), dtype=np.float16)
        cache.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        with fresh.open("wb") as handle:
            np.savez(handle, flat=flat, bounds=np.cumsum([0, *map(len, found)]))
        fresh.replace(path)
    with np.load(path) as archive:
        return chosen, Frames(archive["flat"], archive["bounds"])
