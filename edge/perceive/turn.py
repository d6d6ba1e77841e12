"""Turn taking: when has the person finished, and what did they say?

At the first silence the recognizer, if any, reads the turn, and an end-of-turn network tells how finished it sounds;
where it does not sound finished, again as the silence grows, for silence tells, too. Words that do not break off, or a
likely end, are told at once as speculative, so that a reply can be begun; the end becomes final after 0.2 s where it is
sure, else when the silence lasts a little longer; an unlikely one by long silence only. Words that are still being read
follow the end that they belong to. Speech that resumes goes on with the turn.

Where sound was lost nobody knows what was said: the turn goes on, "…" stands in its words, and silence counts from the
hole's end; after ten seconds, be it one hole or shreds of sound between many, what came before belongs to nobody any
more, and no end of it is told.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import Literal, Protocol, TypeVar

import numpy as np

from edge.perceive.fall import fall_st
from edge.perceive.hush import Hush
from edge.perceive.kept import KeptSound, Sound
from edge.perceive.pause import Heard, Judged, Late, Pause, done, hole, joined
from edge.perceive.speech import BEGINS, CHUNK, Chunk
from edge.types import SAMPLE_RATE, TurnEnd, Words
from models.asr import Transcript

By = Literal["model", "silence", "end_of_input"]
T = TypeVar("T")

_AGAIN_S = 0.1  # silence after which an end that is not likely is judged again …
_JUDGED = 5  # … up to so often
_EARLY_S = 0.06  # silence from which the turn is read and judged: two chunks
_JUDGES_S = 0.2  # silence that the network was made to judge; a shorter one is drawn out
_LINGERS_S = 0.2  # for which the detector may call speech what has died away …
_LETS_GO_S = 0.08  # … and usually does: the silences that end a turn are counted from there
_CUT_S = 0.2  # shorter gaps may lie within a word: no stretch is cut there
_DEAF_S = 10.0  # of lost sound, after which nobody waits for an answer to what was said before (as in edge.state)
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
    answer: Future[T] = Future()
    try:
        answer.set_result(job())
    except Exception as error:
        answer.set_exception(error)
    return answer


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
        self._sound = KeptSound()
        self._late: Late | None = None
        self._hush = Hush()
        self._reading: Heard = []  # what the recognizer was last asked
        self._end_turn()

    def _end_turn(self) -> None:
        self._start_s: float | None = None  # first speech of the turn
        self._stretch_s = 0.0  # begin of what no settled stretch covers
        self._settled: Heard = []
        self._pause: Pause | None = None
        self._whole_from_s = -math.inf  # since when no sound was lost

    def feed(self, chunk: Chunk) -> list[Words | TurnEnd]:
        """Hear the next chunk. Words come before the end of their turn; where they were late, it is told again."""
        self._after_gap(chunk)
        self._keep(chunk)
        self._hush.feed(chunk.samples, chunk.activity.probability)
        out = self._late_words(chunk.end_s) if chunk.utterance_start_s is None else []
        if chunk.last_speech_s is None:  # the clock jumped back: what began before is another stream's
            self._end_turn()
        try:
            if chunk.utterance_start_s is not None:
                return self._speaks(chunk, chunk.utterance_start_s)
            if self._start_s is not None and chunk.last_speech_s is not None:
                resumes = chunk.activity.probability >= BEGINS
                return out + self._silent(chunk.end_s, chunk.last_speech_s, resumes=resumes)
        except Exception:
            self._end_turn()  # a broken answer is raised once, not at every chunk to come
            raise
        self._sound.forget_before(chunk.end_s - _IDLE_S)
        return out

    def _silent(self, now_s: float, speech_end_s: float, *, resumes: bool) -> list[Words | TurnEnd]:
        silence_s = now_s - max(speech_end_s, self._whole_from_s)
        if speech_end_s <= self._whole_from_s and silence_s < _JUDGES_S:
            return []  # just after a hole: the person may be speaking
        late_s = min(self._hush.lasts_s - _LETS_GO_S - silence_s, _LINGERS_S)  # by which the detector lingered longer
        silence_s += max(0.0, late_s)
        pause = self._pause = self._pause or self._ask(now_s, speech_end_s, silence_s)
        judged = pause.judge()
        again = judged and pause.ended is not None and pause.likely is None and pause.judged < _JUDGED
        if again and now_s - pause.judged_s >= _AGAIN_S:
            pause.judged, pause.judged_s = pause.judged + 1, now_s
            pause.ended = self._judged(now_s, silence_s, anew=True)
            pause.judge()
        out = self._tell(pause)
        if resumes:  # it may be a click; if it is speech, the turn goes on
            return out
        if silence_s >= pause.silence_s + (0.0 if judged else _OVERDUE_S):
            out += self._finals(pause, "silence" if pause.likely is None else "model", now_s)
        return out

    def give_way(self) -> list[Words | TurnEnd]:
        """The device begins to speak: a turn that was likely over is so now; any other is dropped."""
        pause = self._pause
        if pause is not None and pause.likely is not None:
            return self._finals(pause, "model", self._sound.end_s)
        self._end_turn()
        return []

    def overhear(self, chunk: Chunk) -> list[Words | TurnEnd]:
        """Keep the chunk's sound without taking part: if it proves to be a barge-in, the turn begins with it. Words of
        the turn before may come."""
        self._keep(chunk)
        self._sound.forget_before(chunk.end_s - _IDLE_S)
        return self._late_words(chunk.end_s) if chunk.utterance_start_s is None else []

    def finish(self) -> list[Words | TurnEnd]:
        """End of input: end the running turn, waiting for what is still being computed."""
        if self._start_s is None:
            return self._late_words(self._sound.end_s, wait=True)
        pause = self._pause or self._ask(self._sound.end_s, self._sound.end_s, 0.0)
        return self._finals(pause, "end_of_input", self._sound.end_s, wait=True)

    # ------------------------------------------------------------ the turn

    def _after_gap(self, chunk: Chunk) -> None:
        """Sound was lost before `chunk`: a turn that runs is read up to there, and goes on."""
        if self._start_s is None or self._sound.precedes(chunk):
            return
        spoke_s = self._sound.end_s if chunk.last_speech_s is None else chunk.last_speech_s
        if chunk.t_s - spoke_s > _DEAF_S:  # in one hole, or in shreds too short to hold speech
            self._end_turn()
            return
        if spoke_s > self._whole_from_s:  # else nothing was said since the last hole: it only grew
            before = self._hear(self._sound.end_s) if self._pause is None else self._pause.heard
            if self.listen is not None or before:
                self._settled = [*before, hole()]
        self._pause, self._hush = None, Hush()
        self._whole_from_s = chunk.t_s

    def _keep(self, chunk: Chunk) -> None:
        if not self._sound.add(chunk):
            self._stretch_s = max(self._stretch_s, chunk.t_s)

    def _speaks(self, chunk: Chunk, utterance_start_s: float) -> list[Words | TurnEnd]:
        if self._start_s is None:
            self._start_s = utterance_start_s
            self._stretch_s = utterance_start_s - _BEFORE_S
            if self._late is not None:  # the person goes on: what was not told yet is told with the rest
                self._settled, self._late = self._late.heard, None
        speech_end_s = chunk.last_speech_s or chunk.end_s
        hush_s = self._hush.lasts_s
        if (pause := self._pause) is not None and hush_s >= _EARLY_S and speech_end_s - pause.heard_s < _LINGERS_S:
            pause.speech_end_s = speech_end_s
        elif pause is not None and pause.speech_end_s != speech_end_s:
            self._pause = None  # the turn goes on: what was asked of its end is void
            lasted_s = chunk.t_s - pause.speech_end_s
            if lasted_s >= _CUT_S and pause.heard_s - self._stretch_s >= _STRETCH_S:
                self._settled, self._stretch_s = pause.heard, pause.heard_s
        if self._pause is None and self._sound.end_s - self._stretch_s >= _LONGEST_STRETCH_S:
            self._settled, self._stretch_s = self._hear(self._sound.end_s), self._sound.end_s
        self._sound.forget_before(min(self._stretch_s, self._sound.end_s - _HEARD_S))
        silence_s = max(hush_s, chunk.end_s - speech_end_s)
        if silence_s < _EARLY_S or (self._pause is None and not done(self._reading)):
            return []  # one reading at a time
        pause = self._pause = self._pause or self._ask(chunk.end_s, speech_end_s, silence_s)
        return self._tell(pause) if pause.stands else []

    def _ask(self, now_s: float, speech_end_s: float, silence_s: float) -> Pause:
        if speech_end_s <= self._whole_from_s:
            return Pause(speech_end_s, list(self._settled), now_s, None, now_s)
        heard = self._reading = self._hear(now_s)
        return Pause(speech_end_s, heard, now_s, self._judged(now_s, silence_s), now_s)

    def _judged(self, now_s: float, silence_s: float, *, anew: bool = False) -> Future[Judged]:
        assert self._start_s is not None
        lacks = max(0, round((_JUDGES_S - silence_s) * SAMPLE_RATE)) if silence_s > 0 else 0
        turn = self._sound.cut(max(self._start_s - _BEFORE_S, now_s - _HEARD_S + lacks / SAMPLE_RATE), now_s)
        drawn = turn
        if lacks and turn.size:  # the network knows pauses of this length: the silence goes on as it began
            last = turn[-CHUNK:]
            drawn = np.concatenate((turn, np.resize(np.concatenate((last[::-1], last)), lacks)))
        judge = self._judge
        return self._submit(lambda: Judged(judge(drawn), None if anew else fall_st(turn)))

    def _hear(self, until_s: float) -> Heard:
        """The turn's words up to there: of what was settled, and of the stretch since."""
        if (listen := self.listen) is None:
            return list(self._settled)
        stretch = self._sound.cut(self._stretch_s, until_s)
        return [*self._settled, self._submit(lambda: listen(stretch))]

    # ------------------------------------------------------------ what is told

    def _tell(self, pause: Pause) -> list[Words | TurnEnd]:
        """The words so far, and the speculative end: it sounds like one, or its words stand; again with its words."""
        known = done(pause.heard)
        maybe = self._end(pause, "model", pause.judged_s, known=known, final=False)
        out: list[Words | TurnEnd] = []
        if known and not pause.words_told:
            pause.words_told = True
            pause.maybe_told = False
            out += self._words(pause.heard, self._start_s, maybe)
        if (pause.likely is not None or pause.stands) and not pause.maybe_told:
            pause.maybe_told = True
            out.append(maybe)
        return out

    def _end(self, pause: Pause, by: By, t_s: float, *, known: bool, final: bool) -> TurnEnd:
        ended = pause.ended
        judged = ended.result().probability if ended is not None and ended.done() else None
        words = joined(pause.heard) if known else None
        end_s = pause.speech_end_s
        return TurnEnd(
            t_s=t_s,
            probability=pause.likely or judged,
            by=by,
            final=final,
            speech_end_s=end_s,
            words=words or None,
            words_pending=not known,
        )

    def _finals(self, pause: Pause, by: By, now_s: float, *, wait: bool = False) -> list[Words | TurnEnd]:
        """The turn's last words, where they are known, and its end."""
        if wait and pause.ended is not None:
            pause.ended.result()
        known = wait or done(pause.heard)
        end = self._end(pause, by, now_s, known=known, final=True)
        words = self._words(pause.heard, self._start_s, end) if known else []
        if not known:
            self._late = Late(self._start_s, end, pause.heard)
        self._end_turn()
        return [*words, end]

    def _late_words(self, now_s: float, *, wait: bool = False) -> list[Words | TurnEnd]:
        """The last turn's end once more, with its words, or without them where they do not come in time."""
        late = self._late
        if late is None or not (wait or done(late.heard) or now_s - late.end.t_s >= _OVERDUE_S):
            return []
        self._late = None
        known = wait or done(late.heard)
        end = replace(late.end, words=(joined(late.heard) or None) if known else None, words_pending=False)
        return [*(self._words(late.heard, late.start_s, end) if known else []), end]

    def _words(self, heard: Heard, start_s: float | None, end: TurnEnd) -> list[Words]:
        assert start_s is not None
        believed = [one for future in heard if (one := future.result()) is not None]
        logprobs = [value for one in believed for value in one.logprobs]
        if not logprobs:
            return []
        words = Words(
            t_s=end.t_s,
            text=joined(heard),
            final=end.final,
            language=self._language,
            start_s=start_s,
            end_s=end.speech_end_s,
            avg_logprob=float(np.mean(logprobs)),
        )
        return [words]
