"""Speech or silence, chunk by chunk, with hysteresis in time and the times at which an utterance begins and ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from edge.perceive.room import Room
from edge.types import SAMPLE_RATE, AudioFrame, SpeechActivity

CHUNK = 512  # samples, 32 ms: what the network hears at once
CHUNK_S = CHUNK / SAMPLE_RATE
GAP_S = 0.1  # a jump of the clock by more than this is lost sound; by less, a microphone's trembling

BEGINS = 0.5  # probability from which speech may begin …
_LASTS = 0.35  # … and down to which it goes on
_BEGIN_S = 1.5 * CHUNK_S  # two chunks: one may be a click; a third one would cost a barge-in 32 ms
_PAUSE_S = 0.2  # shorter gaps are stop consonants and breath inside an utterance

_MAYBE = 0.1  # probability from which a chunk may be speech
_CALM = 66  # chunks without any such, 2.1 s, after which no turn runs any more
_TOGETHER = 4  # chunks of a calm room that are judged in one go: that takes a third of the time


class SpeechNet(Protocol):
    """What tells speech from silence; `models.speech_activity.SpeechActivityNet` is the real one."""

    def probability(self, chunk: npt.NDArray[np.float32]) -> float:
        """Probability of speech in the next 512 samples."""

    def reset(self) -> None:
        """Forget what was heard."""


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """32 ms of sound with what was heard in it. `samples`: float32, shape (512,)."""

    t_s: float  # capture time of the first sample
    samples: npt.NDArray[np.float32]
    activity: SpeechActivity
    utterance_start_s: float | None  # None when not speaking
    last_speech_s: float | None  # end of the last chunk that held speech; None before the first
    follows: bool = True  # False: sound was lost just before it, and with it whatever was said there

    @property
    def end_s(self) -> float:
        """Capture time of the sample after the last one."""
        return self.t_s + CHUNK_S


class SpeechGate:
    """Cuts frames of any size into chunks and tells for each whether the person speaks.

    What comes out depends on the sound and its times only, not on how it was cut into frames. In a room that has long
    been calm, a chunk as quiet as the ones before it comes up to 96 ms late, together with others; any louder one
    brings them all at once.
    """

    def __init__(self, net: SpeechNet) -> None:
        self._net = net
        self.reset()

    def reset(self) -> None:
        """Forget the stream."""
        self._net.reset()
        self._carry = np.zeros(0, dtype=np.float32)
        self._next_s: float | None = None
        self._candidate_s: float | None = None  # where speech may have begun
        self._start_s: float | None = None  # begin of the running utterance
        self._last_speech_s: float | None = None
        self._speech_s = 0.0
        self._follows = True
        self._room = Room()
        self._calm = 0  # chunks since the last that may have been speech
        self._held: list[tuple[npt.NDArray[np.float32], float]] = []  # with their times; not judged yet

    def feed(self, frame: AudioFrame) -> list[Chunk]:
        """The chunks that `frame` completes, oldest first; what is left waits for the next frame."""
        before: list[Chunk] = []
        if self._next_s is not None and abs(frame.t_s - self._next_s) > GAP_S:
            before = self.flush()
            self._after_gap(frame.t_s)
        self._next_s = frame.end_s
        t_s = frame.t_s - self._carry.size / SAMPLE_RATE
        samples = np.concatenate((self._carry, frame.samples)).astype(np.float32, copy=False)
        whole = samples.size // CHUNK
        self._carry = samples[whole * CHUNK :].copy()
        found = (self._hold(samples[n * CHUNK : (n + 1) * CHUNK], t_s + n * CHUNK_S) for n in range(whole))
        return [*before, *(chunk for chunks in found for chunk in chunks)]

    def flush(self) -> list[Chunk]:
        """The chunks that still wait for others."""
        held, self._held = self._held, []
        return [self._chunk(samples, t_s) for samples, t_s in held]

    def _hold(self, samples: npt.NDArray[np.float32], t_s: float) -> list[Chunk]:
        self._held.append((samples, t_s))
        waits = self._room.as_before(samples) and self._calm >= _CALM and len(self._held) < _TOGETHER
        return [] if waits else self.flush()

    def _after_gap(self, t_s: float) -> None:
        """Sound was lost: nothing of before may be joined to what comes."""
        last = self._last_speech_s
        self.reset()
        self._follows = False
        if last is not None and last <= t_s:  # a clock that jumped back makes the old time meaningless
            self._last_speech_s = last

    def _chunk(self, samples: npt.NDArray[np.float32], t_s: float) -> Chunk:
        probability = self._net.probability(samples)
        self._calm = 0 if probability >= _MAYBE else self._calm + 1
        end_s = t_s + CHUNK_S
        if self._start_s is None:
            self._maybe_begin(probability, t_s, end_s)
        elif probability >= _LASTS:
            self._last_speech_s = end_s
            self._speech_s += CHUNK_S
        elif self._last_speech_s is None or end_s - self._last_speech_s >= _PAUSE_S:
            self._start_s, self._speech_s = None, 0.0
        activity = SpeechActivity(
            t_s=end_s,
            probability=probability,
            speaking=self._start_s is not None,
            speech_s=self._speech_s,
        )
        follows, self._follows = self._follows, True
        return Chunk(t_s, samples, activity, self._start_s, self._last_speech_s, follows)

    def _maybe_begin(self, probability: float, t_s: float, end_s: float) -> None:
        if probability < BEGINS:
            self._candidate_s = None
            return
        if self._candidate_s is None:
            self._candidate_s = t_s
        if end_s - self._candidate_s >= _BEGIN_S:
            self._start_s, self._speech_s = self._candidate_s, end_s - self._candidate_s
            self._last_speech_s, self._candidate_s = end_s, None
