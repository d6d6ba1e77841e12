"""Words of a short stretch of English speech: Moonshine tiny (Jeffries et al. 2024), greedy, on ONNX Runtime.

The encoder reads the waveform itself, so a short stretch costs little; the decoder gives one word piece per step and
keeps its keys and values. The mean log-probability of the pieces tells English from other languages and from noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models import store
from models.errors import InputError, ModelCorrupt
from models.session import Array, give_back_memory, open_model

LANGUAGE = "en"
SHORTEST_S, LONGEST_S = 0.1, 30.0
_SAMPLE_RATE_HZ = 16_000
_START, _END = 1, 2  # <s>, </s>
_FIRST_TEXT = 3  # below are <unk>, <s>, </s>
_PIECES_PER_S = 8.0  # fast talkers make about 6.5; a loop runs on to this bound
_HEADS, _HEAD = 8, 36


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was heard. `logprobs`: natural logarithm of each piece's probability, the closing one included."""

    text: str
    logprobs: tuple[float, ...]
    closed: bool  # False: cut at the bound, as loops and foreign speech are

    @property
    def avg_logprob(self) -> float:
        """Mean of `logprobs`; -inf where there are none."""
        return float(np.mean(self.logprobs)) if self.logprobs else -math.inf


class SpeechRecognizer:
    """English speech to text."""

    def __init__(self) -> None:
        """Raises ModelError where a file is missing or the runtime is not installed."""
        self._encoder = open_model("asr_encoder")
        self._decoder = open_model("asr_decoder")
        self._pieces = read_pieces(store.path("asr_pieces").read_bytes())
        self._past = [name for name in self._decoder.inputs if name.startswith("past_key_values")]
        self._given = [name.replace("present", "past_key_values") for name in self._decoder.outputs[1:]]

    def transcribe(self, samples: npt.NDArray[np.float32]) -> Transcript:
        """The words in `samples`: float32, shape (n,), mono, 16 kHz, 0.1–30 s. Raises InputError."""
        seconds = samples.size / _SAMPLE_RATE_HZ
        if samples.ndim != 1 or not SHORTEST_S <= seconds <= LONGEST_S:
            raise InputError(
                f"speech recognition takes {SHORTEST_S}–{LONGEST_S:.0f} s of mono sound at 16 kHz, "
                f"this is {samples.shape}: cut it at a pause"
            )
        heard = samples.astype(np.float32, copy=False)[None]
        mask = np.ones(heard.shape, dtype=np.int64)  # of samples, for the decoder too: the graph thins it out itself
        features = self._encoder.run(heard, mask)[0]  # (1, frames, 288)
        steps = self._greedy(features, mask, math.ceil(seconds * _PIECES_PER_S) + 2)
        give_back_memory()
        pieces: list[bytes] = []
        logprobs: list[float] = []
        for piece, logprob in steps:
            logprobs.append(logprob)
            if piece == _END:
                return Transcript(_joined(pieces), tuple(logprobs), closed=True)
            pieces.append(self._pieces[piece] if piece >= _FIRST_TEXT else b"")
        return Transcript(_joined(pieces), tuple(logprobs), closed=False)

    def _greedy(self, features: Array, mask: Array, limit: int) -> list[tuple[int, float]]:
        """(piece, log-probability) of each step up to `</s>` or `limit`."""
        empty = np.zeros((1, _HEADS, 0, _HEAD), dtype=np.float32)
        past: dict[str, Array] = dict.fromkeys(self._past, empty)
        piece = _START
        found: list[tuple[int, float]] = []
        for step in range(limit):
            feed: dict[str, Array] = {
                "encoder_attention_mask": mask,
                "input_ids": np.array([[piece]], dtype=np.int64),
                "encoder_hidden_states": features,
                "use_cache_branch": np.array([step > 0]),
                **past,
            }
            logits, *present = self._decoder.run(*(feed[name] for name in self._decoder.inputs))
            for name, value in zip(self._given, present, strict=True):
                if step == 0 or ".decoder." in name:  # what the encoder gave is computed once
                    past[name] = value
            scores = logits[0, -1].astype(np.float64)
            piece = int(scores.argmax())
            found.append((piece, float(scores[piece] - _log_sum_exp(scores))))
            if piece == _END:
                break
        return found


def read_pieces(data: bytes) -> list[bytes]:
    """The word pieces of Moonshine's `tokenizer.bin`: for each its length (one byte, or two where the first's top bit
    is set, low part first), then its UTF-8 bytes. Raises ModelCorrupt where the last one is cut short."""
    pieces: list[bytes] = []
    at = 0
    while at < len(data):
        length = data[at]
        at += 1
        if length & 0x80 and at < len(data):
            length = (length & 0x7F) | data[at] << 7
            at += 1
        if at + length > len(data):
            raise ModelCorrupt("the list of word pieces ends within a piece: run `mien models pull asr_pieces`")
        pieces.append(data[at : at + length])
        at += length
    return pieces


def _joined(pieces: list[bytes]) -> str:
    return b"".join(pieces).decode("utf-8", "replace").replace("\u2581", " ").strip()


def _log_sum_exp(scores: npt.NDArray[np.float64]) -> float:
    top = float(scores.max())
    return top + math.log(float(np.exp(scores - top).sum()))
