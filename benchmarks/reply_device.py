"""The device side of the reply benchmark: real hearing, state, outbox and uplink, fed with sound at its true pace."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge import clock
from edge.forward import Forwarder
from edge.opening import KeptOpening
from edge.outbox import Outbox
from edge.path import Path as Steps
from edge.perceive.hearing import Hearing
from edge.policy import Policy
from edge.rules import Rules
from edge.types import SAMPLE_RATE, AudioFrame, Observation, SpeechActivity, TurnEnd
from edge.uplink import Uplink
from edge.wire import mien_pb2
from edge.wire.envelope import Sealer

Samples = npt.NDArray[np.float32]
_BLOCK = 512  # samples, 32 ms: as microphones give
_HEARD = 0.008  # of full scale, -42 dB: below it is silence
_WAIT_S = 40.0  # for a reply
_BARGE_S = 0.1  # speech that interrupts: the loop's rule


@dataclass(slots=True)
class Heard:
    """When one reply could be heard: monotonic seconds, playback queue included."""

    chunks: int = 0
    first_s: float | None = None  # first sample of any sound
    answer_s: float | None = None  # first sample of what the model wrote
    answer_ready_s: float | None = None  # when that sample arrived; it waits while the opening is played
    failed: bool = False
    over: threading.Event = field(default_factory=threading.Event)
    _opening: bool = True
    _quiet_s: float = 0.0
    _lock: threading.Lock = field(
        default_factory=threading.Lock
    )  # the link's thread, and that of the opening kept here

    def take(self, reply: mien_pb2.Reply) -> None:
        """One chunk, as it comes."""
        with self._lock:
            self._take(reply, clock.now_s())

    def _take(self, reply: mien_pb2.Reply, now_s: float) -> None:
        self.chunks += 1
        match reply.WhichOneof("kind"):
            case "text":
                self._opening = reply.text.opening
            case "failure":
                self.failed = True
            case "audio":
                samples = array("h", reply.audio.pcm16)
                start_s = max(now_s, self._quiet_s)
                self._quiet_s = start_s + len(samples) / reply.audio.sample_rate
                loud = next((n for n, one in enumerate(samples) if abs(one) > _HEARD * 32768), None)
                if loud is not None:
                    at_s = start_s + loud / reply.audio.sample_rate
                    self.first_s = self.first_s or at_s
                    if not self._opening and self.answer_s is None:
                        self.answer_s, self.answer_ready_s = at_s, now_s
        if reply.final:
            self.over.set()


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn, from the last speech sample that went in; milliseconds. None: it never came."""

    maybe_ms: float | None  # the device sent its guess that the turn is over
    end_ms: float | None  # the device sent that it is
    first_ms: float | None
    answer_ms: float | None
    answer_ready_ms: float | None
    failed: bool
    cut_off: bool  # the device ended the turn before its last sample


class Device:
    """Hears sound that it is given at its true pace, and measures the replies."""

    def __init__(self, bridge: str, folder: Path, *, words: bool) -> None:
        policy = Policy.for_recordings()
        self._slow = ThreadPoolExecutor(1)
        self._hearing = Hearing(affect=True, words=words, slow=self._slow.submit)
        self._steps = Steps(policy=policy, rules=Rules.load(None))
        sealer = Sealer("bench")
        self._outbox = Outbox(folder / "outbox.sqlite")
        self._opening = KeptOpening()
        self._forward = Forwarder(sealer, self._put, state_every_s=1.0, forward_words=True, language="en")
        self._heard = Heard()
        self._ends: list[tuple[bool, float]] = []
        self._stopped_s: float | None = None
        self._ended_turn = 0
        self._seq = 0
        hello = sealer.hello("bench")
        hello.keeps_opening = True
        self._uplink = Uplink(self._outbox, [bridge], hello, on_reply=self._reply, on_command=self._command)
        self._uplink.start()

    def close(self) -> None:
        """Let go of everything."""
        self._uplink.stop()
        self._outbox.close()
        self._slow.shutdown()

    def say(self, sound: Samples) -> Turn:
        """Say `sound`, be silent, and hear the reply out."""
        self._heard, self._ends = Heard(), []
        heard = self._heard
        start_s = clock.now_s()
        last_s = start_s + last_loud(sound) / SAMPLE_RATE
        self._feed(sound, start_s, until=None)
        self._feed(np.zeros(0, np.float32), start_s + len(sound) / SAMPLE_RATE, until=heard)

        def since(at_s: float | None) -> float | None:
            return None if at_s is None else (at_s - last_s) * 1000

        maybe = [at_s for final, at_s in self._ends if not final and at_s >= last_s]
        final = [at_s for final, at_s in self._ends if final]
        return Turn(
            since(maybe[0] if maybe else None),
            since(final[-1] if final else None),
            since(heard.first_s),
            since(heard.answer_s),
            since(heard.answer_ready_s),
            heard.failed,
            any(at_s < last_s for at_s in final),
        )

    def barge_in(self, sound: Samples, interruption: Samples) -> tuple[float, float] | None:
        """Say `sound`, and speak again 0.3 s into the reply. Milliseconds from the first sample of that speech until
        the device is silent, and until the last chunk of the reply has come. None: there was no reply to interrupt."""
        self._heard, self._ends = Heard(), []
        heard = self._heard
        start_s = clock.now_s()
        self._feed(sound, start_s, until=None)
        at_s = self._feed(np.zeros(0, np.float32), start_s + len(sound) / SAMPLE_RATE, until=heard, speaking=0.3)
        if heard.first_s is None:
            return None
        self._stopped_s = None
        begin_s = at_s + first_loud(interruption) / SAMPLE_RATE
        self._feed(interruption, at_s, until=None, interrupts=True)
        if self._stopped_s is None:
            return None
        chunks = heard.chunks
        last_chunk_s = self._stopped_s
        quiet_until_s = clock.now_s() + 1.0
        while clock.now_s() < quiet_until_s:
            threading.Event().wait(0.005)
            if heard.chunks != chunks:
                chunks, last_chunk_s = heard.chunks, clock.now_s()
        return (self._stopped_s - begin_s) * 1000, (last_chunk_s - begin_s) * 1000

    def _reply(self, reply: mien_pb2.Reply) -> None:
        self._heard.take(reply)

    def _command(self, command: mien_pb2.Command) -> None:
        self._play(self._opening.keep(command.opening))

    def _put(self, envelope: mien_pb2.Envelope) -> None:
        self._outbox.offer(envelope)
        if envelope.kind == mien_pb2.TURN_END:
            self._ended_turn = envelope.turn
            self._play(self._opening.end(envelope.turn))

    def _play(self, chunks: Sequence[mien_pb2.Reply]) -> None:
        for chunk in chunks:
            self._heard.take(chunk)

    def _feed(
        self,
        sound: Samples,
        start_s: float,
        *,
        until: Heard | None,
        speaking: float | None = None,
        interrupts: bool = False,
    ) -> float:
        """Feed `sound` block by block when it is due; then silence while `until` lasts. The time of the end."""
        at = 0
        while True:
            if at < len(sound):
                block = sound[at : at + _BLOCK]
            elif until is None:
                return start_s + at / SAMPLE_RATE
            else:
                block = np.zeros(_BLOCK, np.float32)
                if until.over.is_set() or at > _WAIT_S * SAMPLE_RATE:
                    return start_s + at / SAMPLE_RATE
                if speaking is not None and until.first_s is not None and clock.now_s() > until.first_s + speaking:
                    return start_s + at / SAMPLE_RATE
            t_s = start_s + at / SAMPLE_RATE
            due_s = t_s + len(block) / SAMPLE_RATE
            if (wait_s := due_s - clock.now_s()) > 0:
                threading.Event().wait(wait_s)
            self._seq += 1
            self._consider(self._hearing.feed(AudioFrame("bench", self._seq, t_s, block)), interrupts=interrupts)
            at += len(block)

    def _consider(self, found: Sequence[Observation], *, interrupts: bool) -> None:
        moment = self._steps.step(found, clock.now_s())
        for one in moment.observations:
            if isinstance(one, SpeechActivity) and one.speaking and one.speech_s >= _BARGE_S and interrupts:
                if self._stopped_s is None:
                    self._stopped_s = clock.now_s()
                    self._opening.drop(self._ended_turn)
                    self._uplink.cancel(self._ended_turn)
            elif isinstance(one, TurnEnd):
                self._ends.append((one.final, clock.now_s()))
        self._forward.moment(moment)


def trimmed(sound: Samples) -> Samples:
    """`sound` without the silence before and after."""
    return sound[first_loud(sound) : last_loud(sound) + 1]


def last_loud(sound: Samples) -> int:
    """Index of the last sample that is heard."""
    return int(np.flatnonzero(np.abs(sound) > _HEARD)[-1])


def first_loud(sound: Samples) -> int:
    """Index of the first sample that is heard."""
    return int(np.flatnonzero(np.abs(sound) > _HEARD)[0])
