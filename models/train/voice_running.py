"""Running speech as voice heads learn it: what a device hears while somebody goes on talking.

A recording that is encoded by itself begins when its sentence begins. In a stream a sentence begins anywhere in the
encoder's second, with other sentences in its memory and their loudness as its measure, and the newest second is not
full yet. A head that learned from recordings alone tells the feelings of a stream's first half second apart worse.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.logmel import SAMPLE_RATE_HZ
from models.train.voice_data import Change, Rows, Sound, read_sound, sample, speech_part
from models.voice_head import MIN_FRAMES, pooled
from models.voice_stream import WINDOWS_S
from models.whisper_encoder import FRAME_S, WhisperEncoder

_HOP = round(0.24 * SAMPLE_RATE_HZ)  # between two looks; no divisor of the encoder's second, so each comes elsewhere
_TOLD = SAMPLE_RATE_HZ // 2  # of a sentence, before what is heard is its own

Look = tuple[npt.NDArray[np.float32], int, float]  # pooled, clip, seconds


def running(corpus: str, variant: str, change: Change, cache: Path, *, limit: int | None = None) -> Rows:
    """Each speaker's clips of `corpus` after `change`, one after the other in random order: every window of WINDOWS_S
    at every look, labelled with the clip that speaks at its end. Names and files as of `voice_data.rows_of`."""
    chosen = sample(corpus, limit)
    path = cache / f"{corpus}-running-{variant}-{len(chosen)}.npz"
    if not path.is_file():
        from tqdm import tqdm

        found: list[Look] = []
        speakers = [clip.speaker for clip in chosen]
        for speaker in tqdm(sorted(set(speakers)), desc=f"{corpus} running {variant}", unit="speaker"):
            rng = np.random.default_rng([len(found), len(chosen)])
            mine = rng.permutation([i for i, one in enumerate(speakers) if one == speaker]).tolist()
            sounds = ((i, change(i, speech_part(read_sound(chosen[i].file)))) for i in mine)
            found += _looks(sounds, rng)
        x, clip, seconds = zip(*found, strict=True)
        cache.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        with fresh.open("wb") as handle:
            np.savez(
                handle,
                x=np.stack(x).astype(np.float16),
                clip=np.array(clip, dtype=np.int64),
                seconds=np.array(seconds, dtype=np.float32),
            )
        fresh.replace(path)
    with np.load(path) as archive:
        return Rows(archive["x"], archive["clip"], archive["seconds"])


def _looks(sounds: Iterator[tuple[int, Sound]], rng: np.random.Generator) -> Iterator[Look]:
    encoder, done = WhisperEncoder(), list[Sound]()
    for clip, sound in sounds:
        at = 0
        for end in range(_TOLD + int(rng.integers(_HOP)), len(sound) + 1, _HOP):
            done = [*done, *encoder.feed(sound[at:end])][-2:]
            at = end
            frames = np.concatenate([*done, encoder.tail()])
            for window in (frames[-round(seconds / FRAME_S) :] for seconds in WINDOWS_S):
                if len(window) >= MIN_FRAMES:
                    yield pooled(window), clip, len(window) * FRAME_S
        done = [*done, *encoder.feed(sound[at:])][-2:]
