"""The voice encoder as a stream: speech in, a frame of 3 × 384 numbers per 20 ms out.

Speech is encoded in chunks of one second. Frames of a chunk see each other and the chunks before them in
the same passage of at most three seconds, through remembered keys and values. The finished chunks of a stream
are exactly those of the recording. Of the unfinished chunk there are two views: `tail` encodes it whole, as the
recording up to here would be; `preview` encodes only what came since the last look, at a third of the cost.

The level is taken out: each chunk is scaled so that the loudest mel cell of its passage so far is at a
fixed height. A microphone's gain therefore changes nothing; loud and soft parts of one passage stay apart.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.logmel import BANDS, HOP, WINDOW, log_bands
from models.session import Session, open_model, open_session

Array = npt.NDArray[np.float32]

BLOCKS = 3
WIDTH = 384
FRAME_S = 0.02
CHUNK_FRAMES = 50  # one second
PASSAGE_CHUNKS = 3
_HEADS = 6
_TOP = 1.5  # height of the loudest mel cell; what Whisper sees of loud, clear speech
_RANGE = 2.0  # 8 decades, in Whisper's units of 4 decades
_CHUNK_SAMPLES = CHUNK_FRAMES * 2 * HOP
_FRAME = 2 * HOP  # samples
_LEAST_NEWS = 5 * _FRAME  # samples, 100 ms
_NO_FRAMES = np.zeros((0, BLOCKS * WIDTH), dtype=np.float32)
_OVERLAP = WINDOW - HOP  # samples that the last window of a chunk borrows from the next


@functools.cache
def _shared(file: Path | None) -> Session:
    return open_model("whisper_encoder") if file is None else open_session(file)


@dataclass(frozen=True, slots=True)
class _Passage:
    """What frames may see of the ones before them."""

    memory: tuple[Array, Array]  # keys and values
    context: Array  # the last two mel frames, not normalised; none at the start
    loudest: float  # mel cell, log10


def _start() -> _Passage:
    empty = np.zeros((BLOCKS, _HEADS, 0, WIDTH // _HEADS), dtype=np.float32)
    return _Passage((empty, empty), np.zeros((0, BANDS), dtype=np.float32), -10.0)


class WhisperEncoder:
    """One stream of speech through the encoder. Not for two threads at once.

    `file`: another ONNX file of the same shape (the float graph, for comparison); by default the store's.
    Raises ModelError when the model is not there.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._session = _shared(file)
        self.reset()

    def reset(self) -> None:
        """Forget everything: what comes next is the start of a passage."""
        self._rest = np.zeros(0, dtype=np.float32)  # samples of the unfinished chunk
        self._chunks = 0
        self._begin_chunk(_start())

    def _begin_chunk(self, passage: _Passage) -> None:
        self._before = self._previewed = passage
        self._preview: list[Array] = []

    def feed(self, speech: Array) -> list[Array]:
        """Take the next samples (mono, 16 kHz). Returns the chunks that they finish, each (50, 1152)."""
        self._rest = np.concatenate([self._rest, speech])
        done = []
        while len(self._rest) >= _CHUNK_SAMPLES:
            frames, passage = self._encode(self._rest[:_CHUNK_SAMPLES], self._before)
            done.append(frames)
            self._rest = self._rest[_CHUNK_SAMPLES:]
            self._chunks += 1
            self._begin_chunk(passage if self._chunks % PASSAGE_CHUNKS else _start())
        return done

    def tail(self) -> Array:
        """Frames (T, 1152) of the unfinished chunk as it stands, T = its length in whole 20 ms. Changes nothing."""
        usable = len(self._rest) // _FRAME * _FRAME
        return self._encode(self._rest[:usable], self._before)[0] if usable >= WINDOW else _NO_FRAMES

    def preview(self) -> Array:
        """Frames (T, 1152) of the unfinished chunk, each encoded once, at the first look that found it.

        A frame sees only what came before that look. When the chunk is full, `feed` gives it encoded anew. Less than
        100 ms of news waits for the next look: a pass for one frame costs half of one for twelve.
        """
        new = self._rest[sum(map(len, self._preview)) * _FRAME :]
        usable = len(new) // _FRAME * _FRAME
        if usable >= _LEAST_NEWS:
            frames, self._previewed = self._encode(new[:usable], self._previewed)
            self._preview.append(frames)
        return np.concatenate([_NO_FRAMES, *self._preview])

    def _encode(self, samples: Array, passage: _Passage) -> tuple[Array, _Passage]:
        logs = log_bands(np.pad(samples, (0, _OVERLAP), mode="reflect"))  # (2 T, 80): no look into the future
        before = passage.context if len(passage.context) else logs[:1].repeat(2, axis=0)
        mel = np.concatenate([before, logs, logs[-1:]])
        loudest = max(passage.loudest, float(logs.max()))
        mel = np.maximum((mel - np.float32(loudest)) / np.float32(4.0), np.float32(-_RANGE)) + np.float32(_TOP)
        frames, keys, values = self._session.run(np.ascontiguousarray(mel.T[None]), *passage.memory)
        flat = frames.transpose(1, 0, 2).reshape(-1, BLOCKS * WIDTH)  # (T, 1152)
        return flat, _Passage((keys, values), logs[-2:], loudest)


def encode(speech: Array, file: Path | None = None) -> Array:
    """All frames (T, 1152) of a recording of speech, as a stream would have given them."""
    stream = WhisperEncoder(file)
    return np.concatenate([*stream.feed(speech), stream.tail()])
