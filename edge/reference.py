"""Tells the echo canceller what the speaker plays, as it is queued."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from edge import clock
from edge.outputs._rate import Rate
from edge.types import SAMPLE_RATE


class Canceller(Protocol):
    """What edge.perceive.echo.EchoCanceller offers here."""

    def playing(self, samples: npt.NDArray[np.float32], t_s: float) -> None:
        """This sound is heard from `t_s` on."""

    def stopped(self, t_s: float) -> None:
        """Silence from `t_s` on."""


class Reference:
    """A player (see edge.replies.Player) that makes no sound of its own."""

    def __init__(self, canceller: Canceller) -> None:
        self._canceller = canceller
        self._rate = Rate(SAMPLE_RATE)
        self._free_s = 0.0  # when the sound that was queued before will have been played

    def play(self, audio: bytes, sample_rate: int) -> None:
        """16-bit mono sound that the speaker plays after what it already has."""
        pcm = np.frombuffer(self._rate.convert(audio, sample_rate), np.int16)
        samples = pcm.astype(np.float32) / np.float32(32_768)
        start_s = max(clock.now_s(), self._free_s)
        self._free_s = start_s + len(samples) / SAMPLE_RATE
        self._canceller.playing(samples, start_s)

    def stop(self) -> None:
        """The speaker falls silent."""
        self._free_s = 0.0
        self._canceller.stopped(clock.now_s())

    def show(self, text: str, final: bool) -> None:
        """Text makes no echo."""
