"""The voice encoder as a stream: speech in, a frame of 3 × 384 numbers per 20 ms out.

Speech is encoded in chunks of one second. Frames of a chunk see each other and the chunks before them in
the same passage of at most three seconds, through remembered keys and values, so nothing is encoded twice;
the running, unfinished chunk alone is encoded anew at every look. What a stream gives at time t is exactly
what the recording up to t gives.

The level is taken out: each chunk is scaled so that the loudest mel cell of its passage so far is at a
fixed height. A microphone's gain therefore changes nothing; loud and soft parts of one passage stay apart.
"""

from __future__ import annotations

import functools
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
_OVERLAP = WINDOW - HOP  # samples that the last window of a chunk borrows from the next


@functools.cache
def _shared(file: Path | None) -> Session:
    return open_model("whisper_encoder") if file is None else open_session(file)


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
        self._forget_passage()

    def _forget_passage(self) -> None:
        empty = np.zeros((BLOCKS, _HEADS, 0, WIDTH // _HEADS), dtype=np.float32)
        self._memory = (empty, empty)
        self._context = np.zeros((0, BANDS), dtype=np.float32)  # the last two mel frames, not normalised
        self._loudest = -10.0

    def feed(self, speech: Array) -> list[Array]:
        """Take the next samples (mono, 16 kHz). Returns the chunks that they finish, each (50, 1152)."""
        self._rest = np.concatenate([self._rest, speech])
        done = []
        while len(self._rest) >= _CHUNK_SAMPLES:
            frames, memory, logs = self._encode(self._rest[:_CHUNK_SAMPLES])
            done.append(frames)
            self._rest = self._rest[_CHUNK_SAMPLES:]
            self._chunks += 1
            if self._chunks % PASSAGE_CHUNKS == 0:
                self._forget_passage()
            else:
                self._memory = memory
                self._context = logs[-2:]
                self._loudest = max(self._loudest, float(logs.max()))
        return done

    def tail(self) -> Array:
        """Frames (T, 1152) of the unfinished chunk as it stands, T = its length in whole 20 ms. Changes nothing."""
        usable = len(self._rest) // (2 * HOP) * (2 * HOP)
        if usable < WINDOW:
            return np.zeros((0, BLOCKS * WIDTH), dtype=np.float32)
        return self._encode(self._rest[:usable])[0]

    def _encode(self, samples: Array) -> tuple[Array, tuple[Array, Array], Array]:
        logs = log_bands(np.pad(samples, (0, _OVERLAP), mode="reflect"))  # (2 T, 80): no look into the future
        before = self._context if len(self._context) else logs[:1].repeat(2, axis=0)
        mel = np.concatenate([before, logs, logs[-1:]])
        loudest = max(self._loudest, float(logs.max()))
        mel = np.maximum((mel - np.float32(loudest)) / np.float32(4.0), np.float32(-_RANGE)) + np.float32(_TOP)
        frames, keys, values = self._session.run(np.ascontiguousarray(mel.T[None]), *self._memory)
        flat = frames.transpose(1, 0, 2).reshape(-1, BLOCKS * WIDTH)  # (T, 1152)
        return flat, (keys, values), logs


def encode(speech: Array, file: Path | None = None) -> Array:
    """All frames (T, 1152) of a recording of speech, as a stream would have given them."""
    stream = WhisperEncoder(file)
    return np.concatenate([*stream.feed(speech), stream.tail()])
