"""Voice heads for RAVDESS actors whom they never heard, learned from the other actors: "benchmark head, not shipped".

PROTOCOL.md asks for voices of "RAVDESS fold-held-out actors", the head retrained for the fold; RAVDESS may not be sold,
so what ships never hears it. A head has the shipped recipe's settings, none chosen here, and is calibrated as the
shipped one is: on a third of the training actors, by a head that heard the others.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models import store
from models.train.voice import SHRINK, SPREAD, VOICES, calibrate, head_arrays, scaler_of
from models.train.voice_augment import Disturbed, OtherVoice, as_it_is
from models.train.voice_data import Change, Rows, SpeechParts, crop, data_folder, rows_of, sample, whole
from models.train.voice_fit import Linear, Scaler, balanced, fit
from models.train.voice_running import running
from models.voice_head import CORE, VoiceHead

FINE = (*CORE, "fear", "disgust", "surprise")
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mien" / "train-voice"
_DISTURBED = 3  # hearings of each clip beside the undisturbed one, as in benchmarks.voice
_PART = 3  # every third actor of the training part calibrates
_CACHED = (whole, crop)
_RUNNING = ("clean", "disturbed0", "voice0")  # the hearings that are also heard as running speech, as in the recipe

Labels = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def of_actors(cache: Path, scratch: Path) -> dict[str, VoiceHead]:
    """For each actor of RAVDESS the head of the actor's fold, by way of files in `scratch`.

    Raises InputError where the data are not there, ModelError where the encoder is not. Hours of sound are encoded
    where `cache` does not hold them.
    """
    chosen = sample("ravdess")
    sounds, actors = SpeechParts(chosen), [clip.speaker for clip in chosen]
    changes: list[tuple[str, Change]] = [("clean", as_it_is)]
    changes += [(f"disturbed{view}", Disturbed(sounds, actors, view)) for view in range(_DISTURBED)]
    changes += [(f"voice{view}", OtherVoice(view)) for view in range(VOICES["emodb"])]
    rows = [one for name, change in changes for one in rows_of("ravdess", name, change, _CACHED, cache)]
    spoken = [running("ravdess", name, change, cache) for name, change in changes if name in _RUNNING]
    labels = np.array([FINE.index("neutral" if clip.label == "calm" else clip.label) for clip in chosen])
    with (data_folder() / "speech" / "ravdess_folds.csv").open(newline="", encoding="utf-8") as handle:
        fold_of = {row["speaker"]: row["test_fold"] for row in csv.DictReader(handle)}
    heads: dict[str, VoiceHead] = {}
    for fold in sorted(set(fold_of.values())):
        used = np.array([fold_of[actor] != fold for actor in actors])
        file = scratch / f"fold{fold}.npz"
        learn(rows, spoken, labels, np.array(actors), used, file=file)
        heads |= dict.fromkeys([actor for actor, its in fold_of.items() if its == fold], VoiceHead(file))
    return heads


def learn(
    rows: Sequence[Rows],
    spoken: Sequence[Rows],
    labels: Labels,
    actors: npt.NDArray[np.str_],
    used: Mask,
    *,
    file: Path,
) -> None:
    """Write a head that heard the clips in `used` alone, as recordings (`rows`) and as running speech (`spoken`).

    `labels` (over FINE), `actors` and `used`: one per clip.
    """
    strange = used & np.isin(actors, np.unique(actors[used])[::_PART])
    scaler, head = _fit(rows, spoken, labels, used & ~strange)
    logits, y, seconds = [], [], []
    for part in (*rows, *spoken):
        held = strange[part.clip] & (labels[part.clip] < len(CORE))
        logits.append(head(scaler(part.x[held]))[:, : len(CORE)])
        y.append(labels[part.clip[held]])
        seconds.append(part.seconds[held])
    temperatures, clear_from = calibrate(np.concatenate(seconds), np.concatenate(logits), np.concatenate(y))
    scaler, head = _fit(rows, spoken, labels, used)
    with np.load(store.path("voice_head")) as shipped:
        burst, burst_bias = _moved(shipped, scaler)
        arrays = head_arrays(scaler, FINE, head, temperatures, clear_from)
        with file.open("wb") as handle:
            np.savez(handle, **arrays, burst_labels=shipped["burst_labels"], burst=burst, burst_bias=burst_bias)


def _fit(rows: Sequence[Rows], spoken: Sequence[Rows], labels: Labels, used: Mask) -> tuple[Scaler, Linear]:
    parts = [*rows, *spoken]
    kept = [used[part.clip] for part in parts]
    x = np.concatenate([part.x[mine] for part, mine in zip(parts, kept, strict=True)])
    y = np.concatenate([labels[part.clip[mine]] for part, mine in zip(parts, kept, strict=True)])
    kinds = np.repeat(["recordings"] * len(rows) + ["running"] * len(spoken), [int(mine.sum()) for mine in kept])
    scaler = scaler_of(x, SPREAD)
    weight = balanced(y, kinds, {"recordings": 0.5, "running": 0.5})
    return scaler, fit(scaler(x), y, weight, len(FINE), shrink=SHRINK)


def _moved(shipped: np.lib.npyio.NpzFile, scaler: Scaler) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """The shipped layer for bursts, which RAVDESS has none of, on vectors that `scaler` brought into place."""
    mean, scale = shipped["pooled_mean"].astype(np.float32), shipped["pooled_scale"].astype(np.float32)
    burst = shipped["burst"].astype(np.float32)
    weight = burst * (scale / scaler.scale)[:, None]
    bias = shipped["burst_bias"] + ((scaler.mean - mean) * scale) @ burst
    return weight, np.asarray(bias, dtype=np.float32)
