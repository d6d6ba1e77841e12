"""Turn taking: when has the person finished, and what did they say?

Each pause of 0.2 s is judged once: an end-of-turn network tells how finished it sounds, and the recognizer, if any,
reads the words. A likely end is told at once as speculative, so that a reply can be begun, and becomes final when the
silence lasts a little longer; an unlikely one becomes final by long silence only. Speech that resumes goes on with
the turn.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from edge.perceive.speech import GAP_S, Chunk
from edge.types import SAMPLE_RATE, TurnEnd, Words
from models.asr import Transcript

By = Literal["model", "silence", "end_of_input"]
Sound = npt.NDArray[np.float32]
T = TypeVar("T")

_FINISHED = 0.4  # probability from which the verdict is "complete": 3 in 4 whole sentences pass, 1 in 5 cut ones
_FINAL_S = 0.5  # silence that makes a likely end final
_SILENCE_S = 1.6  # silence that ends any turn
_OVERDUE_S = 2.0  # how much longer a turn waits for an answer that is still being computed
_BEFORE_S = 0.5  # sound heard from before the first speech: onsets come before the detector's
_STRETCH_S = 8.0  # the recognizer reads longer turns in stretches, for time and memory, cut at a pause …
_LONGEST_STRETCH_S = 12.0  # … or anywhere
_HEARD_S = 8.0  # the end-of-turn network looks back no further
_IDLE_S = 2.0  # sound kept while no turn runs


class Submit(Protocol):
    """Starts a slow job: `at_once`, or an executor's `submit`."""

    def __call__(self, job: Callable[[], T], /) -> Future[T]:
        """The job's result, now or later."""


def at_once(job: Callable[[], T], /) -> Future[T]:
    """Run `job` here and now; its error, if any, comes out where the answer is taken."""
    done: Future[T] = Future()
    try:
        done.set_result(job())
    except Exception as error:
        done.set_exception(error)
    return done


@dataclass(slots=True)
class _Pause:
    asked_s: float
    speech_end_s: float
    ended: Future[float]
    heard: Future[Transcript | None] | None
    told: bool = False  # its words and speculative end are out

    def answered(self) -> bool:
        return self.ended.done() and (self.heard is None or self.heard.done())  # settled ones were asked before


class TurnTaking:
    """Follows one person's turns.

    `judge` gives the probability that a turn, heard up to its pause, is over; `listen`, which may be set and cleared
    at any time, its words. An error of theirs is raised by the `feed` or `finish` that takes the answer.
    """

    def __init__(self, judge: Callable[[Sound], float], *, language: str, submit: Submit = at_once) -> None:
        self._judge = judge
        self.listen: Callable[[Sound], Transcript | None] | None = None
        self._language, self._submit = language, submit
        self.reset()

    def reset(self) -> None:
        """Forget the running turn and its sound."""
        self._sound: list[Sound] = []  # without gaps
        self._samples = 0  # in it
        self._sound_end_s = 0.0
        self._end_turn()

    def _end_turn(self) -> None:
        self._start_s: float | None = None  # first speech of the turn
        self._stretch_s = 0.0  # begin of what no settled stretch covers
        self._settled: list[Future[Transcript | None]] = []
        self._pause: _Pause | None = None

    def feed(self, chunk: Chunk) -> list[Words | TurnEnd]:
        """Hear the next chunk. Words come before the end of the turn that they belong to."""
        self._keep(chunk)
        if chunk.utterance_start_s is not None:
            self._speaks(chunk.utterance_start_s)
            return []
        if chunk.last_speech_s is None:  # the clock jumped back: what began before is another stream's
            self._end_turn()
        if self._start_s is None or chunk.last_speech_s is None:
            self._forget_before(chunk.end_s - _IDLE_S)
            return []
        try:
            return self._silent(chunk.end_s, chunk.last_speech_s)
        except Exception:
            self._end_turn()  # a broken answer is raised once, not at every chunk to come
            raise

    def _silent(self, now_s: float, speech_end_s: float) -> list[Words | TurnEnd]:
        pause = self._pause = self._pause or self._ask(now_s, speech_end_s)
        out = self._tell(pause)
        silence_s = now_s - speech_end_s
        if pause.told and silence_s >= (_FINAL_S if pause.ended.result() >= _FINISHED else _SILENCE_S):
            by_model = pause.ended.result() >= _FINISHED
            out += self._finals(pause, "model" if by_model else "silence", now_s)
        elif silence_s >= _SILENCE_S + _OVERDUE_S:
            out += self._finals(pause, "silence", now_s)
        return out

    def give_way(self) -> list[Words | TurnEnd]:
        """The device begins to speak: a turn that was likely over is so now; any other is dropped."""
        pause = self._pause
        if pause is not None and pause.told and pause.ended.result() >= _FINISHED:
            return self._finals(pause, "model", self._sound_end_s)
        self._end_turn()
        return []

    def overhear(self, chunk: Chunk) -> None:
        """Keep the chunk's sound without taking part: if it proves to be a barge-in, the turn begins with it."""
        self._keep(chunk)
        self._forget_before(chunk.end_s - _IDLE_S)

    def finish(self) -> list[Words | TurnEnd]:
        """End of input: end the running turn, waiting for what is still being computed."""
        if self._start_s is None:
            return []
        pause = self._pause or self._ask(self._sound_end_s, self._sound_end_s)
        return self._finals(pause, "end_of_input", self._sound_end_s, wait=True)

    # ------------------------------------------------------------ the turn

    def _speaks(self, utterance_start_s: float) -> None:
        if self._start_s is None:
            self._start_s = utterance_start_s
            self._stretch_s = utterance_start_s - _BEFORE_S
        if (pause := self._pause) is not None:
            self._pause = None  # the turn goes on: what was asked of its end is void
            if pause.asked_s - self._stretch_s >= _STRETCH_S:
                self._settle(pause.heard, pause.asked_s)
        if self._sound_end_s - self._stretch_s >= _LONGEST_STRETCH_S:
            self._settle(self._hear(self._sound_end_s), self._sound_end_s)
        self._forget_before(min(self._stretch_s, self._sound_end_s - _HEARD_S))

    def _settle(self, heard: Future[Transcript | None] | None, until_s: float) -> None:
        if heard is not None:
            self._settled.append(heard)
        self._stretch_s = until_s

    def _ask(self, now_s: float, speech_end_s: float) -> _Pause:
        assert self._start_s is not None
        turn = self._cut(max(self._start_s - _BEFORE_S, now_s - _HEARD_S), now_s)
        judge = self._judge
        return _Pause(now_s, speech_end_s, self._submit(lambda: judge(turn)), self._hear(now_s))

    def _hear(self, until_s: float) -> Future[Transcript | None] | None:
        if (listen := self.listen) is None:
            return None
        stretch = self._cut(self._stretch_s, until_s)
        return self._submit(lambda: listen(stretch))

    # ------------------------------------------------------------ what is told

    def _tell(self, pause: _Pause) -> list[Words | TurnEnd]:
        """The words so far and the speculative end, once, when their answers have come."""
        if pause.told or not pause.answered():
            return []
        pause.told = True
        out = self._words(pause, final=False)
        if (probability := pause.ended.result()) >= _FINISHED:
            out.append(
                TurnEnd(
                    t_s=pause.asked_s,
                    probability=probability,
                    by="model",
                    final=False,
                    speech_end_s=pause.speech_end_s,
                )
            )
        return out

    def _finals(self, pause: _Pause, by: By, now_s: float, *, wait: bool = False) -> list[Words | TurnEnd]:
        """The turn's last words, where they are known, and its end."""
        out: list[Words | TurnEnd] = []
        if wait or pause.answered():
            out += self._words(pause, final=True)
        probability = pause.ended.result() if wait or pause.ended.done() else 0.0
        out.append(TurnEnd(t_s=now_s, probability=probability, by=by, final=True, speech_end_s=pause.speech_end_s))
        self._end_turn()
        return out

    def _words(self, pause: _Pause, *, final: bool) -> list[Words | TurnEnd]:
        assert self._start_s is not None
        found = [one.result() for one in (*self._settled, pause.heard) if one is not None]
        believed = [one for one in found if one is not None]
        if not believed:
            return []
        logprobs = [value for one in believed for value in one.logprobs]
        words = Words(
            t_s=pause.asked_s,
            text=" ".join(one.text for one in believed),
            final=final,
            language=self._language,
            start_s=self._start_s,
            end_s=pause.speech_end_s,
            avg_logprob=float(np.mean(logprobs)),
        )
        return [words]

    # ------------------------------------------------------------ the sound

    def _keep(self, chunk: Chunk) -> None:
        if abs(chunk.t_s - self._sound_end_s) > GAP_S:  # sound was lost: do not join over the gap
            self._sound, self._samples = [], 0
            self._stretch_s = max(self._stretch_s, chunk.t_s)
        self._sound.append(chunk.samples)
        self._samples += chunk.samples.size
        self._sound_end_s = chunk.end_s

    @property
    def _sound_s(self) -> float:
        """Begin of the kept sound; counted from its end, for a microphone's clock trembles."""
        return self._sound_end_s - self._samples / SAMPLE_RATE

    def _forget_before(self, t_s: float) -> None:
        while self._sound and self._sound_s + self._sound[0].size / SAMPLE_RATE <= t_s:
            self._samples -= self._sound.pop(0).size

    def _cut(self, start_s: float, end_s: float) -> Sound:
        first = max(0, round((start_s - self._sound_s) * SAMPLE_RATE))
        last = max(first, round((end_s - self._sound_s) * SAMPLE_RATE))
        return np.concatenate(self._sound)[first:last] if self._sound else np.zeros(0, dtype=np.float32)
