"""What others' work costs on the loop's own pictures and sound, each in an environment of its own; ours beside it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import peers
from edge.types import SAMPLE_RATE
from models.train.voice_data import read_sound, speech_part

_OURS_S = 900.0
_SAID = {"01": "kids are talking by the door", "02": "dogs are sitting by the door"}  # of RAVDESS, by its file names

Figures = dict[str, float]


def beside(
    moments: Sequence[tuple[Any, Any]], data: Path, scratch: Path, *, quick: bool
) -> tuple[dict[str, Figures], dict[str, str]]:
    """Per peer its figures, ours beside them as `ours_…`; and why a peer is missing. `moments`: picture and sound of
    each thirtieth of a second.

    openSMILE computes the features of three seconds, without any affect; we give features and affect. Both are asked
    once in three seconds and four times a second (the device's rate), and compared per estimate.
    """
    sound, pictures, words = scratch / "sound.npy", scratch / "pictures.npy", scratch / "words.npz"
    heard = np.concatenate([one for _, one in moments]).astype(np.float32)
    np.save(sound, np.tile(heard, -(-12 * SAMPLE_RATE // len(heard))))  # four windows of three seconds at least
    np.save(pictures, np.stack([one for one, _ in moments[::2]]))
    said = _utterances(data, words, 4 if quick else 48)
    frames = "500" if quick else "10000"
    ours = {
        what: _ours(what, given)
        for what, given in (
            ("voice", sound),
            ("face", pictures),
            ("face_adaptive", pictures),
            ("words", words),
            ("frames", frames),
        )
    }
    asked: tuple[tuple[str, str, tuple[object, ...], str], ...] = (
        ("opensmile", "voice", (sound,), "voice"),
        ("fer", "emotion", (pictures,), "face"),
        ("face_api", "face_api", ("pictures", pictures), "face"),
        ("mediapipe", "mesh_memory", (pictures,), "face"),
        ("faster_whisper", "words", (words,), "words"),
        ("moonshine", "moonshine", (words,), "words"),
        ("pipecat", "frames", (frames,), "frames"),
    )
    found: dict[str, Figures] = {}
    missing: dict[str, str] = {}
    for name, script, given, what in asked:
        try:
            theirs = peers.ask(name, script, *given)
        except peers.PeerMissing as error:
            missing[name] = str(error)
            continue
        mine = {f"ours_{key}": ours[what][key] for key in theirs if key in ours[what]}
        if "cpu_ms_per_picture" in theirs and name != "mediapipe":  # the others find each picture's face anew
            theirs["cpu_ms_per_picture_as_deployed"] = theirs["cpu_ms_per_picture"]
            mine["ours_cpu_ms_per_picture_as_deployed"] = ours["face_adaptive"]["cpu_ms_per_picture"]
        if what == "words":
            theirs["word_errors"] = word_errors(said, theirs.pop("texts"))
            mine["ours_word_errors"] = word_errors(said, mine.pop("ours_texts"))
        found[peers.PEERS[name].title] = theirs | mine
    return found, missing


def word_errors(said: Sequence[str], read: Sequence[str]) -> float:
    """Words wrong, missing or too many, as a share of those `said`; without case and punctuation."""
    wrong = sum(_distance(_words(one), _words(other)) for one, other in zip(said, read, strict=True))
    return wrong / sum(len(_words(one)) for one in said)


def _words(text: str) -> list[str]:
    return "".join(one if one.isalnum() or one == "'" else " " for one in text.lower()).split()


def _distance(said: list[str], read: list[str]) -> int:
    row = list(range(len(read) + 1))
    for at, word in enumerate(said, 1):
        before, row = row, [at]
        for n, other in enumerate(read, 1):
            row.append(min(before[n] + 1, row[-1] + 1, before[n - 1] + (word != other)))
    return row[-1]


def _utterances(data: Path, out: Path, count: int) -> list[str]:
    """What is said in so many calm sentences of RAVDESS, whose speech goes to `out`: as many of each, all speakers."""
    files = sorted((data / "speech/ravdess").glob("03-01-01-01-0?-01-*.flac"))
    files = files[:: max(1, len(files) // count)][:count]
    sounds = [speech_part(read_sound(file)).astype(np.float32) for file in files]
    np.savez(out, sound=np.concatenate(sounds), ends=np.cumsum([len(one) for one in sounds]))
    return [_SAID[file.stem.split("-")[4]] for file in files]


def _ours(what: str, given: object) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.peer_ours", what, str(given)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_OURS_S)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
