"""The recordings that voice heads learn from, and their pooled vectors, cached so that a recipe resumes.

A corpus is a CSV (file, speaker, label, note, duration_s) beside a folder of sounds, under `MIEN_DATA/speech`.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from models.errors import InputError
from models.logmel import SAMPLE_RATE_HZ, check_rate
from models.voice_head import pooled
from models.whisper_encoder import FRAME_S, encode

Sound = npt.NDArray[np.float32]
Change = Callable[[int, Sound], Sound]  # (clip index, speech) → speech
Cut = Callable[[Sound, np.random.Generator], list[Sound]]  # frames of a clip → the stretches to pool

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
class Rows:
    """Pooled vectors `x` (n, 2304) float16, the clip that each comes from (n,), and its seconds of speech (n,)."""

    x: npt.NDArray[np.float16]
    clip: npt.NDArray[np.int64]
    seconds: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.x)


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


def sample(corpus: str, limit: int | None = None) -> list[Clip]:
    """The clips of `corpus`, thinned evenly to about `limit`."""
    found = clips(corpus)
    return found if limit is None else found[:: len(found) // limit | 1]  # odd: actors alternate between men and women


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


class SpeechParts(Sequence[Sound]):
    """The speech of each clip, read when it is first asked for and then kept."""

    def __init__(self, chosen: Sequence[Clip]) -> None:
        self._clips = chosen
        self._kept: dict[int, Sound] = {}

    def __len__(self) -> int:
        return len(self._clips)

    @overload
    def __getitem__(self, index: int) -> Sound: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Sound]: ...
    def __getitem__(self, index: int | slice) -> Sound | Sequence[Sound]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if index not in self._kept:
            self._kept[index] = speech_part(read_sound(self._clips[index].file))
        return self._kept[index]


def whole(frames: Sound, rng: np.random.Generator) -> list[Sound]:
    """The clip as it is."""
    return [frames]


def crop(frames: Sound, rng: np.random.Generator) -> list[Sound]:
    """One random stretch of 0.5 to 3 s, short ones as likely as long ones."""
    count = min(len(frames), int(np.exp(rng.uniform(np.log(25), np.log(150)))))
    start = int(rng.integers(0, len(frames) - count + 1))
    return [frames[start : start + count]]


def windows(frames: Sound, rng: np.random.Generator, *, seconds: float) -> list[Sound]:
    """All windows of `seconds`, half a window apart."""
    count = round(seconds / FRAME_S)
    return [frames[at : at + count] for at in range(0, max(1, len(frames) - count + 1), count // 2)]


def one_second(frames: Sound, rng: np.random.Generator) -> list[Sound]:
    """All windows of one second."""
    return windows(frames, rng, seconds=1.0)


def two_seconds(frames: Sound, rng: np.random.Generator) -> list[Sound]:
    """All windows of two seconds."""
    return windows(frames, rng, seconds=2.0)


def rows_of(
    corpus: str,
    variant: str,
    change: Change,
    cuts: Sequence[Cut],
    cache: Path,
    *,
    encoder: Path | None = None,
    limit: int | None = None,
) -> list[Rows]:
    """Pooled vectors of every clip of `corpus` after `change`, one `Rows` per cut, from `cache` where they lie there.

    `variant` names the change and its seed, and so the cached file. `limit`: every n-th clip only, so that about
    `limit` remain. Clips are those of `sample(corpus, limit)`.
    """
    chosen = sample(corpus, limit)
    path = cache / f"{corpus}-{variant}-{len(chosen)}{'-float' if encoder else ''}.npz"
    if not path.is_file():
        from tqdm import tqdm

        found: list[list[tuple[Sound, int, float]]] = [[] for _ in cuts]
        for index, clip in enumerate(tqdm(chosen, desc=f"{corpus} {variant}", unit="clip")):
            frames = encode(change(index, speech_part(read_sound(clip.file))), encoder)
            for cut, kept in zip(cuts, found, strict=True):
                rng = np.random.default_rng([index, len(chosen)])
                kept += [(pooled(part), index, len(part) * FRAME_S) for part in cut(frames, rng)]
        cache.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        with fresh.open("wb") as handle:
            np.savez(handle, **_columns(cuts, found))
        fresh.replace(path)
    with np.load(path) as archive:
        return [Rows(*(archive[f"{cut.__name__}_{part}"] for part in ("x", "clip", "seconds"))) for cut in cuts]


def _columns(cuts: Sequence[Cut], found: Sequence[Sequence[tuple[Sound, int, float]]]) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    for cut, kept in zip(cuts, found, strict=True):
        columns[f"{cut.__name__}_x"] = np.stack([x for x, _, _ in kept]).astype(np.float16)
        columns[f"{cut.__name__}_clip"] = np.array([index for _, index, _ in kept], dtype=np.int64)
        columns[f"{cut.__name__}_seconds"] = np.array([seconds for _, _, seconds in kept], dtype=np.float32)
    return columns
