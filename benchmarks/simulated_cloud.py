"""A SIMULATED cloud: a language model and a voice with set delays, to measure the bridge itself. Nothing real answers.

PROTOCOL's cloud: 40 ms round trip, first token after 200 ms, first sound after 100 ms.
"""

from __future__ import annotations

import asyncio
import math
from array import array
from collections.abc import AsyncGenerator, Sequence

from cloud_bridge.errors import ProviderError
from cloud_bridge.providers.base import Message, Sound, Usage, Viseme

ANSWER = "This is a simulated first sentence. And here is the second one."
RATE = 24_000
ANSWER_HZ, OPENING_HZ = 440.0, 880.0


class SimulatedModel:
    """Says `answer` word by word: the first after `first_s`, the next ones `each_s` apart. None: fails; `…`: hangs."""

    name = "simulated model"
    small = False
    continues = False

    def __init__(self, first_s: float = 0.2, each_s: float = 0.02, answer: str | None = ANSWER) -> None:
        self.usage = Usage()
        self.asked: list[list[Message]] = []
        self.stopped = 0  # streams that were closed before their end
        self.first_s, self.each_s, self.answer = first_s, each_s, answer

    async def start(self) -> None:
        """Nothing to load."""

    async def prime(self, messages: Sequence[Message], *, lasting: bool = False) -> None:
        """Nothing to compute."""

    async def stream(self, messages: Sequence[Message], max_tokens: int) -> AsyncGenerator[str, None]:
        """The words, in their time."""
        self.asked.append(list(messages))
        self.usage.requests += 1
        finished = False
        try:
            await asyncio.sleep(self.first_s)
            if self.answer is None:
                raise ProviderError("simulated failure")
            for count, word in enumerate(self.answer.split(" ")):
                if count:
                    await asyncio.sleep(self.each_s)
                yield word + " "
            finished = True
        finally:
            self.stopped += not finished

    async def close(self) -> None:
        """Nothing to let go."""


class SimulatedVoice:
    """A tone for each sentence: the first 100 ms piece after `first_s`, 60 ms a word, faster than it is heard."""

    name = "simulated voice"
    identity = "simulated"

    def __init__(self, first_s: float = 0.1, hz: float = ANSWER_HZ, *, fails: bool = False) -> None:
        self.first_s, self.hz, self.fails = first_s, hz, fails
        self.spoken: list[str] = []

    async def start(self) -> None:
        """Nothing to load."""

    async def speak(self, text: str, pace: float = 1.0) -> AsyncGenerator[Sound, None]:
        """The tone, in pieces of 100 ms."""
        await asyncio.sleep(self.first_s)
        if self.fails:
            raise ProviderError("simulated failure of the voice")
        self.spoken.append(text)
        pieces = max(2, round(len(text.split()) * 0.6))
        for _ in range(pieces):
            yield Sound(tone(self.hz, 0.1), RATE, (Viseme(0, RATE // 10, "aa"),))
            await asyncio.sleep(0.01)

    async def close(self) -> None:
        """Nothing to let go."""


def tone(hz: float, length_s: float, rate: int = RATE) -> bytes:
    """A sine at half of full scale, 16-bit."""
    step = 2 * math.pi * hz / rate
    return array("h", (round(16_000 * math.sin(step * n)) for n in range(round(length_s * rate)))).tobytes()
