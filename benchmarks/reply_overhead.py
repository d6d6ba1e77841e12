"""What the bridge itself adds to a turn: a model and a voice that take no time, everything else as it is served.

From the bytes of the turn's end to the first sound of the answer at the connection: parsing, admission, the durable
record of what was taken, history, tone, prompt, sentence, speech, chunks. No network is in it.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncGenerator
from pathlib import Path

from benchmarks.simulated_cloud import RATE, SimulatedModel, tone
from cloud_bridge import opening
from cloud_bridge.conversation import Conversation
from cloud_bridge.history import History
from cloud_bridge.ingest.sessions import Sessions
from cloud_bridge.plan import Tools
from cloud_bridge.presence import Presence
from cloud_bridge.providers.base import Sound, Viseme
from cloud_bridge.record import Record
from cloud_bridge.speech import Speech
from edge.wire import mien_pb2
from edge.wire.check import VERSION, parse_uplink

_SOUND = Sound(tone(440.0, 0.2), RATE, (Viseme(0, RATE // 5, "aa"),))


class InstantVoice:
    """Gives the same 0.2 s of sound for every sentence, at once."""

    name = identity = "instant voice"

    async def start(self) -> None:
        """Nothing to load."""

    async def speak(self, text: str, pace: float = 1.0) -> AsyncGenerator[Sound, None]:
        """The sound."""
        yield _SOUND

    async def close(self) -> None:
        """Nothing to let go."""


class _Line:
    """A connection that notes when what it waits for is sent."""

    batch_bytes = 0
    alive = True

    def __init__(self) -> None:
        self.answer_s = 0.0
        self.final = asyncio.Event()
        self._is_opening = True

    async def send(self, downlink: mien_pb2.Downlink) -> None:
        reply = downlink.reply
        if reply.HasField("text"):
            self._is_opening = reply.text.opening
        if reply.HasField("audio") and not self._is_opening:
            self.answer_s = self.answer_s or time.perf_counter()
        if reply.final:
            self.final.set()

    def post(self, downlink: mien_pb2.Downlink) -> None:
        """Acknowledgements are nothing to wait for."""

    def close(self, reason: str) -> None:
        """Nothing to let go."""


async def overhead(turns: int) -> list[float]:
    """Milliseconds to the first sound of the answer of each of `turns` turns; an opening does not count."""
    with tempfile.TemporaryDirectory() as folder:
        history = History(Path(folder) / "history.sqlite")
        speech = Speech(InstantVoice())
        await speech.prepare(opening.all_lines())
        tools = Tools(SimulatedModel(0.0, 0.0), speech)
        talk = Presence(Conversation(tools, lambda *_: None, record=Record(history)))
        sessions = Sessions(talk, Path(folder) / "seen.sqlite")
        line = _Line()
        hello = mien_pb2.Hello(v=VERSION, device="bench", boot=1)
        session = await sessions.open(hello, "default", line)
        found: list[float] = []
        try:
            for turn in range(1, turns + 1):
                packet = _turn_end(turn).SerializeToString()
                line.answer_s = 0.0
                line.final.clear()
                begun_s = time.perf_counter()
                await session.take(parse_uplink(packet))
                await line.final.wait()
                found.append((line.answer_s - begun_s) * 1000)
                await asyncio.sleep(0.01)  # what follows a turn is not the next one's
        finally:
            await sessions.close()
            history.close()
        return found


def _turn_end(turn: int) -> mien_pb2.Uplink:
    affect = mien_pb2.Affect(probs_pct=[10, 5, 70, 5, 4, 2, 2, 2], valence=-40, arousal=-20, confidence_pct=70)
    state = mien_pb2.State(person=1, fused=affect, voice=affect, trend="mood falling over 3 turns")
    described = mien_pb2.Description(audio="Sounds low and slow.", visual="Looks away.", joint="Seems sad.")
    envelope = mien_pb2.Envelope(
        v=VERSION, device="bench", boot=1, seq=turn, turn=turn, kind=mien_pb2.TURN_END, state=state,
        description=described, words="We had to put our cat to sleep today.", language="en", keep_words=True,
        keep_states=True,
    )  # fmt: skip
    return mien_pb2.Uplink(envelope=envelope)
