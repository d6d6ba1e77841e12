"""`python -m benchmarks.conversations OUT.md`: twenty turns, answered with and without what the device perceived.

Each turn goes through the bridge's own path: tone by rule, opening, prompt, language model, closing. "Without" is the
same words with no state. The perceived states are written here by hand; the answers are the model's (MIEN_LLM).
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.report import commit, machine
from cloud_bridge import choose
from cloud_bridge.conversation import Conversation
from cloud_bridge.ingest.base import Device
from cloud_bridge.plan import Tools
from cloud_bridge.prompt import fixed
from cloud_bridge.providers.base import LanguageModel
from cloud_bridge.settings import read
from edge.wire import mien_pb2 as pb

_NAMES = ("neutral", "happy", "sad", "angry", "fear", "disgust", "surprise", "contempt")


def _affect(label: str, valence: int, arousal: int) -> pb.Affect:
    probs = [4] * 8
    probs[_NAMES.index(label)] = 72
    return pb.Affect(probs_pct=probs, valence=valence, arousal=arousal, confidence_pct=72)


def _felt(label: str, valence: int, arousal: int) -> pb.State:
    return pb.State(person=1, fused=_affect(label, valence, arousal))


def _apart(face: str, face_valence: int, voice: str, voice_valence: int) -> pb.State:
    between = pb.Incongruence.WORDS_VOICE
    return pb.State(
        person=1,
        fused=_affect(face, face_valence, 0),
        voice=_affect(voice, voice_valence, -20),
        incongruence=[pb.Incongruence(between=between, strength_pct=75)],
    )


_DROWSY = pb.State(person=1, drowsiness=pb.Drowsiness(level=pb.Drowsiness.DROWSY, perclos_pct=34))
_TIRED = pb.State(person=1, drowsiness=pb.Drowsiness(level=pb.Drowsiness.TIRED, perclos_pct=17))

TURNS: tuple[tuple[str, str, pb.State], ...] = (
    ("I got the job, I start on Monday!", "happy voice and face", _felt("happy", 75, 50)),
    ("We are going to have a baby.", "happy voice and face", _felt("happy", 70, 40)),
    ("My sister is visiting next week.", "happy voice", _felt("happy", 60, 20)),
    ("We had to put our cat to sleep today.", "sad voice and face", _felt("sad", -60, -30)),
    ("My sister is visiting next week.", "sad voice", _felt("sad", -50, -30)),
    ("I moved here last month.", "sad voice and face", _felt("sad", -50, -40)),
    ("You charged me twice again.", "angry voice", _felt("angry", -65, 60)),
    ("The train is late.", "angry voice and face", _felt("angry", -60, 50)),
    ("The heating is off.", "angry voice", _felt("angry", -55, 50)),
    ("I have an exam tomorrow.", "frightened voice", _felt("fear", -50, 40)),
    ("The doctor wants to see me on Friday.", "frightened voice and face", _felt("fear", -50, 30)),
    ("How far is it to Lyon?", "eyes often closed: drowsy", _DROWSY),
    ("Can you tell me about the meeting?", "tired eyes", _TIRED),
    ("I'm fine.", "words fine, voice low", _apart("neutral", 0, "sad", -50)),
    ("Work is good, really.", "words fine, voice low", _apart("neutral", 0, "sad", -45)),
    ("Oh great, another meeting.", "dark words, bright voice", _apart("happy", 50, "happy", 50)),
    ("It still doesn't work.", "frustration growing", pb.State(person=1, cues_pct={"frustration": 75})),
    ("I press the red one, or not?", "hesitant, looking away", pb.State(person=1, cues_pct={"uncertainty": 70})),
    ("I can't do this any more.", "shaken voice", pb.State(person=1, cues_pct={"distress": 85})),
    ("They changed my flight.", "surprised face", _felt("surprise", 0, 50)),
)


class _Listener:
    """Keeps the text of one reply."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.over = asyncio.Event()

    def next_reply(self) -> int:
        return 1

    async def send(self, reply: pb.Reply) -> None:
        if reply.WhichOneof("kind") == "text":
            self.texts.append(reply.text.text)
        if reply.WhichOneof("kind") == "failure":
            self.texts.append(f"({reply.failure.reason})")
        if reply.final:
            self.over.set()

    async def command(self, command: pb.Command) -> None:
        raise AssertionError("none is sent here")


async def _answered(model: LanguageModel, words: str, state: pb.State | None, turn: int) -> tuple[str, str]:
    """Tone and text of the answer to one turn, by a device that nothing is remembered of."""
    tones: list[str] = []
    talk = Conversation(Tools(model, None, hurried=False), lambda _, report: tones.append(report.tone))
    device, link = Device("doc", 1), _Listener()
    await talk.connected(device, link)
    await talk.received(device, pb.Envelope(boot=1, turn=turn, kind=pb.TURN_END, words=words, state=state))
    await link.over.wait()
    await talk.disconnected(device)
    return tones[0] if tones else "", " ".join(link.texts)


async def _page() -> str:
    model = choose.language_model(read({}).llm)
    rows: list[Sequence[str]] = []
    await model.start()
    await model.prime(fixed(), lasting=True)
    try:
        for turn, (words, perceived, state) in enumerate(TURNS, 1):
            _, without = await _answered(model, words, None, turn)
            tone, with_it = await _answered(model, words, state, turn)
            rows.append((words, perceived, tone, without, with_it))
            print(f"{turn}/{len(TURNS)} {tone}", file=sys.stderr)
    finally:
        with contextlib.suppress(ProcessLookupError):
            await model.close()
    head = f"""# Twenty turns, with and without what was perceived

The same words, answered by the bridge with no state and with one. States are written by hand: they stand for what the
device would perceive. Tone, opening and closing come from the bridge's rules, the rest from the language model
({model.name}), less the sentences that the bridge's rules refuse: nothing was picked or mended by hand.

Made by `python -m benchmarks.conversations`, commit {commit()}, {datetime.now(UTC).date()}, {machine()}.

| said | perceived | tone | answer without | answer with |
|---|---|---|---|---|
"""
    lines = ["| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" for row in rows]
    return head + "\n".join(lines) + "\n"


def main() -> int:
    """Write the page."""
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    Path(sys.argv[1]).write_text(asyncio.run(_page()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
