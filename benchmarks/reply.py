"""`mien bench reply`: from the last speech sample that goes in to the first reply sample that comes out.

The device's own chain hears a synthesised voice at its true pace and talks by gRPC to the bridge's own conversation:
(a) with the real local chain, the model and voice that are on this machine; (b) with a SIMULATED cloud: fixed
round trip, first token and first sound, made by `benchmarks.simulated_cloud`; the opening lines are prepared.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import reply_ends
from benchmarks.reply_device import Device, Samples, Turn
from benchmarks.reply_overhead import overhead
from benchmarks.report import Result
from benchmarks.simulated_cloud import DelayedLink, SimulatedModel, SimulatedVoice
from benchmarks.spoken import spoken
from cloud_bridge import choose, opening
from cloud_bridge.cache import cache_folder
from cloud_bridge.conversation import Conversation
from cloud_bridge.ingest import grpc
from cloud_bridge.ingest.base import Handler
from cloud_bridge.ingest.sessions import Sessions
from cloud_bridge.plan import Tools
from cloud_bridge.prompt import fixed
from cloud_bridge.settings import read
from cloud_bridge.speech import Speech
from cloud_bridge.speech_cache import SpeechCache
from cloud_bridge.tone import TONES

_SAID = (
    "I got the job, and I start on Monday.",
    "We had to put our cat to sleep today.",
    "You people charged me twice again.",
    "What can I cook with eggs and rice?",
    "I have an exam tomorrow and I can't sleep.",
    "The train is late, so I will miss the meeting.",
    "Can you help me find my glasses?",
    "My sister is coming to visit us next week.",
    "I think the heating is broken again.",
    "How far is it from here to the station?",
)
_RTT_S, _FIRST_TOKEN_S, _FIRST_SOUND_S = 0.040, 0.200, 0.100
_TOKEN_S = 0.015  # between words, of the simulated model
_TIMES = 3  # the voice says a sentence another way each time
_PAUSE_S = 0.4  # inside every other turn: what a speculative start is wasted on


def measure(data: Path | None, *, quick: bool, peers: bool) -> Result:
    """Run both chains. `data` is not needed, and there are no peers on this seam."""
    talk = _SAID[:3] if quick else _SAID * _TIMES
    voices = asyncio.run(spoken([*talk, *(() if quick else reply_ends.MORE)]))
    # every second one hesitates between two words, other ones each time
    slow = [(n // len(_SAID) + n) % 2 for n in range(len(talk))]
    said = [voice.hesitating(_PAUSE_S) if slow[n] else voice.whole for n, voice in enumerate(voices[: len(talk)])]
    sim, sim_detail = simulated(said, barges=1 if quick else 5)
    local, local_detail = real(said)
    own = asyncio.run(overhead(30 if quick else 300))
    bridge = {
        "bridge_overhead_p50_ms": _percentile(own, 50),
        "bridge_overhead_p95_ms": _percentile(own, 95),
    }
    detail = {"utterances": len(said), "words": True, "sim": sim_detail, "local": local_detail}
    return Result(metrics=sim | local | bridge | reply_ends.ends(voices), detail=detail)


def simulated(said: Sequence[Samples], *, barges: int) -> tuple[dict[str, float], dict[str, Any]]:
    """The chain with the SIMULATED cloud."""
    tools = Tools(SimulatedModel(_FIRST_TOKEN_S, _TOKEN_S), Speech(SimulatedVoice(_FIRST_SOUND_S)))
    return _chain("sim", tools, _RTT_S / 2, said, barges)


def real(said: Sequence[Samples]) -> tuple[dict[str, float], dict[str, Any]]:
    """The chain with the model (MIEN_LLM, else what is here) and the voice of this machine."""
    voice, _ = choose.voice("piper")
    assert voice is not None
    model = choose.language_model(read({}).llm)
    return _chain("local", Tools(model, Speech(voice, cache=SpeechCache(cache_folder("speech")))), 0.0, said, 0)


def _chain(
    name: str, tools: Tools, one_way_s: float, said: Sequence[Samples], barges: int
) -> tuple[dict[str, float], dict[str, Any]]:
    with _bridge(tools, one_way_s) as (address, talk), tempfile.TemporaryDirectory() as folder:
        device = Device(f"grpc://{address}", Path(folder), words=True)
        try:
            device.say(said[0])  # the first turn opens connections and fills caches
            turns = [device.say(sound) for sound in said]
            cut = [one for _ in range(barges) if (one := device.barge_in(said[0], said[1])) is not None]
        finally:
            device.close()
    metrics = _summary(name, turns)
    if cut:
        metrics["barge_in_ms"] = _percentile([one[0] for one in cut], 50)
        metrics["barge_in_last_chunk_ms"] = _percentile([one[1] for one in cut], 50)
    if talk.counts.guesses:
        waste = talk.counts.guesses_wasted / talk.counts.guesses
        metrics["speculative_waste" if name == "sim" else "local_speculative_waste"] = waste
    detail = {
        "model": tools.model.name,
        "voice": tools.speech.name if tools.speech else None,
        "turns": [_row(turn) for turn in turns],
        "bridge_ms": [report.ms for _, report in talk.reports],
    }
    return metrics, detail


def _summary(name: str, turns: Sequence[Turn]) -> dict[str, float]:
    """The metrics of one chain. Turns that were not answered, or were answered while the person still spoke (the
    device took a pause for the end), are counted and absent from the times."""
    found: dict[str, float] = {
        f"{name}_unanswered": float(sum(turn.answer_ms is None or turn.failed for turn in turns)),
        f"{name}_cut_off": float(sum(turn.cut_off for turn in turns)),
    }
    turns = [turn for turn in turns if not turn.cut_off and not turn.failed]
    for metric, values in {
        "turn_end": [turn.end_ms for turn in turns],
        "first_audio": [turn.first_ms for turn in turns],
        "first_answer": [turn.answer_ms for turn in turns],
        "answer_ready": [turn.answer_ready_ms for turn in turns],
    }.items():
        known = [value for value in values if value is not None]
        if known:
            found[f"{name}_{metric}_p50_ms"] = _percentile(known, 50)
            found[f"{name}_{metric}_p95_ms"] = _percentile(known, 95)
    return found


def _percentile(values: Sequence[float], q: float) -> float:
    return float(np.percentile(np.asarray(values), q))


def _row(turn: Turn) -> dict[str, float | bool | None]:
    fields = ("maybe_ms", "end_ms", "first_ms", "answer_ms", "answer_ready_ms", "failed", "cut_off")
    return {name: getattr(turn, name) for name in fields}


def _all_but_closed_loops(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    if str(context.get("exception")) != "Event loop is closed":
        loop.default_exception_handler(context)


@contextmanager
def _bridge(tools: Tools, one_way_s: float) -> Iterator[tuple[str, Conversation]]:
    """A bridge on a free port, on a thread with a loop of its own."""
    loop = asyncio.new_event_loop()
    # gRPC's poller knocks at every loop of the process, also at the device's after it was closed: not of interest.
    loop.set_exception_handler(_all_but_closed_loops)
    thread = threading.Thread(target=loop.run_forever, name="bridge", daemon=True)
    thread.start()

    def call(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(300)

    async def start() -> tuple[grpc.Server, Conversation, Sessions]:
        talk = Conversation(tools, lambda _device, _report: None)
        handler: Handler = DelayedLink(talk, one_way_s) if one_way_s else talk
        sessions = Sessions(handler)
        await tools.model.start()
        await tools.model.prime(fixed(), lasting=True)
        assert tools.speech is not None
        await tools.speech.start()
        lines = [line for tone in TONES.values() for line in (*tone.closings, tone.fallback)]
        await tools.speech.prepare([*opening.all_lines(), *lines])
        return await grpc.serve(sessions, "127.0.0.1:0"), talk, sessions

    async def end(server: grpc.Server, talk: Conversation, sessions: Sessions) -> None:
        await talk.close()
        await server.stop(0.2)
        await sessions.close()
        await tools.model.close()
        assert tools.speech is not None
        await tools.speech.close()

    server, talk, sessions = call(start())
    try:
        yield f"127.0.0.1:{server.port}", talk
    finally:
        call(end(server, talk, sessions))
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
