"""A SIMULATED cloud: a language model and a voice with set delays, to measure the bridge itself. Nothing real answers.

As `reply` sets it: 40 ms round trip, first token after 200 ms, first sound after 100 ms.
"""

from __future__ import annotations

import asyncio
import math
from array import array
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

from cloud_bridge.errors import ProviderError
from cloud_bridge.ingest.base import Device, Effect, Handler, Link
from cloud_bridge.providers.base import Message, Sound, Usage, Viseme
from edge.wire import mien_pb2

ANSWER = "This is a simulated first sentence. And here is the second one."
RATE = 24_000
ANSWER_HZ = 440.0


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

    async def stream(
        self, messages: Sequence[Message], max_tokens: int, used: Usage | None = None
    ) -> AsyncGenerator[str, None]:
        """The words, in their time."""
        self.asked.append(list(messages))
        for one in (self.usage, used):
            if one is not None:
                one.add(Usage(requests=1, unknown=1))
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

    async def forget(self) -> None:
        """Nothing is kept."""

    async def close(self) -> None:
        """Nothing to let go."""


class SimulatedVoice:
    """A tone for each sentence, 0.1 s and 0.25 s a word long: its first 100 ms after `first_s`, the rest quickly."""

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
        pieces = 1 + round(2.5 * len(text.split()))
        for _ in range(pieces):
            yield Sound(tone(self.hz, 0.1), RATE, (Viseme(0, RATE // 10, "aa"),))
            await asyncio.sleep(0.01)

    async def close(self) -> None:
        """Nothing to let go."""


class DelayedLink:
    """A handler behind a SIMULATED network: everything takes `one_way_s` each way, in order."""

    def __init__(self, handler: Handler, one_way_s: float) -> None:
        self._handler = handler
        self._one_way_s = one_way_s
        self._lines: dict[Device, _Line] = {}
        self._backs: dict[Device, _Back] = {}

    async def connected(self, device: Device, link: Link) -> None:
        """See `cloud_bridge.ingest.base.Handler`; so the others."""
        self._lines[device] = _Line(self._one_way_s)
        self._backs[device] = _Back(link, self._one_way_s)
        await self._handler.connected(device, self._backs[device])

    async def received(self, device: Device, envelope: mien_pb2.Envelope) -> Effect | None:
        """Passed on later."""
        self._lines[device].later(lambda: self._handler.received(device, envelope))
        return None

    async def cancelled(self, device: Device, turn: int) -> None:
        """Passed on later."""
        self._lines[device].later(lambda: self._handler.cancelled(device, turn))

    async def disconnected(self, device: Device) -> None:
        """Passed on at once; what is under way is lost."""
        self._lines.pop(device).close()
        self._backs.pop(device).close()
        await self._handler.disconnected(device)


class _Back:
    """The way back to the device, as long."""

    def __init__(self, link: Link, one_way_s: float) -> None:
        self._link = link
        self._line = _Line(one_way_s)

    def next_reply(self) -> int:
        return self._link.next_reply()

    async def send(self, reply: mien_pb2.Reply) -> None:
        self._line.later(lambda: self._link.send(reply))

    async def command(self, command: mien_pb2.Command) -> None:
        self._line.later(lambda: self._link.command(command))

    def close(self) -> None:
        self._line.close()


class _Line:
    """Runs what it is given, each `after_s` later, in order."""

    def __init__(self, after_s: float) -> None:
        self._after_s = after_s
        self._queue: asyncio.Queue[tuple[float, Callable[[], Awaitable[object]]]] = asyncio.Queue()
        self._task = asyncio.create_task(self._run(), name="simulated network")

    def later(self, work: Callable[[], Awaitable[object]]) -> None:
        self._queue.put_nowait((asyncio.get_running_loop().time() + self._after_s, work))

    def close(self) -> None:
        self._task.cancel()

    async def _run(self) -> None:
        while True:
            due_s, work = await self._queue.get()
            await asyncio.sleep(due_s - asyncio.get_running_loop().time())
            await work()


def tone(hz: float, length_s: float, rate: int = RATE) -> bytes:
    """A sine at half of full scale, 16-bit."""
    step = 2 * math.pi * hz / rate
    return array("h", (round(16_000 * math.sin(step * n)) for n in range(round(length_s * rate)))).tobytes()
