"""A voice's affect while somebody talks: a look per 250 ms of speech, or per 125 ms while the tone changes.

A look judges the last two seconds, the last one and the last half. It encodes only what came since the look before,
but where the last second sounds unlike the last two it is repeated with the unfinished second encoded anew as a whole,
as the looks that follow do, twice as often, until the two sound alike again: a change is named sooner, and truer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.logmel import SAMPLE_RATE_HZ
from models.voice_head import VoiceEstimate, VoiceHead
from models.whisper_encoder import FRAME_S, WhisperEncoder

Array = npt.NDArray[np.float32]

FIRST_S = 0.5  # of speech, before the first look
WINDOWS_S = (2.0, 1.0, 0.5)  # with a longer one, a change of tone is heard later, and hardly better
_HOP_S = 0.25  # of speech, between two looks …
_HOP_STIRRED_S = 0.12  # … while the last second sounds unlike the last two
_STIRS = 0.2  # total variation, 0–1, between what the two sound like, from which they are unlike
_FRAMES, _RECENT_FRAMES, _LATEST_FRAMES = (round(seconds / FRAME_S) for seconds in WINDOWS_S)

Probs = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Look:
    """What the newest speech sounds like: `estimate` of the last two seconds, `recent` and `latest` over CORE of the
    last one and the last half, None where they hold too little."""

    estimate: VoiceEstimate
    recent: Probs | None
    latest: Probs | None


class VoiceStream:
    """One stream's speech, judged by `head` (the shipped one). Raises ModelError where the encoder or it is missing."""

    def __init__(self, head: VoiceHead | None = None) -> None:
        self._encoder = WhisperEncoder()
        self._head = head or VoiceHead()
        self._done: deque[Array] = deque(maxlen=2)  # encoded chunks of one second
        self.reset()

    def reset(self) -> None:
        """Forget what was heard: what comes next is another passage."""
        self._encoder.reset()
        self._done.clear()
        self._heard_s = 0.0
        self._next_s = FIRST_S
        self._stirred = False

    def feed(self, speech: Array) -> Look | None:
        """Hear the next speech (mono, 16 kHz). Returns a look where one is due, and speech enough was heard."""
        self._heard_s += len(speech) / SAMPLE_RATE_HZ
        self._done.extend(self._encoder.feed(speech))
        if self._heard_s < self._next_s:
            return None
        window, estimate, recent = self._look(closely=self._stirred)
        stirs = _unlike(estimate, recent)
        if stirs and not self._stirred:
            window, estimate, recent = self._look(closely=True)
            stirs = _unlike(estimate, recent)
        self._stirred = stirs
        self._next_s = self._heard_s + (_HOP_STIRRED_S if stirs else _HOP_S)
        return None if estimate is None else Look(estimate, recent, self._head.probs(window[-_LATEST_FRAMES:]))

    def _look(self, *, closely: bool) -> tuple[Array, VoiceEstimate | None, Probs | None]:
        newest = self._encoder.tail() if closely else self._encoder.preview()
        window = np.concatenate([*self._done, newest])[-_FRAMES:]
        return window, self._head.estimate(window), self._head.probs(window[-_RECENT_FRAMES:])


def _unlike(whole: VoiceEstimate | None, recent: Probs | None) -> bool:
    if whole is None or recent is None:
        return False
    return 0.5 * sum(abs(share - recent[name]) for name, share in whole.probs.items()) >= _STIRS
