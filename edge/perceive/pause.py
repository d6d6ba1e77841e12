"""Judging a pause: does it end the turn, and how much silence does that take?

Four witnesses: how finished it sounds (the end-of-turn network), how far the voice has come down, whether the words
stand or break off, and how sure the recognizer is that they end.
"""

from __future__ import annotations

import math
from concurrent.futures import Future
from dataclasses import dataclass

from edge.perceive.unfinished import leaning, unfinished
from edge.types import TurnEnd
from models.asr import Transcript

_FINISHED = 0.4  # probability from which the sound is called complete: 3 in 4 whole sentences pass, 1 in 5 cut ones
_STANDS = 0.15  # the same, where the words are known and do not break off
_SURE = 0.9  # probability, at the first judgement, from which an end whose words are not known is final at once
# A whole sentence's score: log-odds of that probability + 8 × the log of the recognizer's probability of the mark that
# closes it + 0.4 × the fall of the voice in semitones. How it was chosen: docs/bridge.md.
_BY_MARK, _BY_FALL = 8.0, 0.4
_LEAST, _FALLS_ST = 1e-3, (-2.0, 6.0)  # bounds, so that one witness does not outweigh all others
_SURE_SCORE = 0.0  # from which it is final at once …
_DOUBTED_SCORE = -6.0  # … and below which it is hardly taken for one
_FINAL_S = 0.38  # silence that makes any other likely end final
_FINAL_WEAK_S = 0.5  # … and one that its words alone make likely
_SILENCE_WHOLE_S = 0.5  # silence that ends a turn whose words are a whole sentence, however it sounded …
_SILENCE_LEANS_S = 0.7  # … either where its last word seldom is one …
_SILENCE_DOUBTED_S = 1.0  # … and where everything else speaks against it
_SILENCE_S = 1.6  # silence that ends any turn

Heard = list[Future[Transcript | None]]

_LOST = Transcript("…", (), closed=True)  # stands in a turn's words where sound was lost


@dataclass(frozen=True, slots=True)
class Judged:
    """How finished a turn sounds up to its pause."""

    probability: float  # 0–1, of its being over
    fall_st: float | None  # how far the voice came down; None: too little voice, or judged anew


@dataclass(slots=True)
class Pause:
    """One pause of a turn: what is known of whether it ends it."""

    speech_end_s: float
    heard: Heard
    heard_s: float  # how far the recognizer read
    ended: Future[Judged] | None  # None: there is nothing to judge, for since sound was lost nothing was said
    judged_s: float  # how far the newest judgement heard
    judged: int = 1
    words_told: bool = False
    maybe_told: bool = False
    likely: float | None = None  # the probability of a likely end; None: unlikely, or not known yet
    sure: bool = False
    leans: bool = False  # its last word seldom ends one
    score: float | None = None  # how much speaks for the end, where the recognizer closes the words; else None

    def judge(self) -> bool:
        """Take in what is known by now; whether anything of the end is."""
        if self.ended is None:
            return True
        if not self.ended.done():
            return False
        verdict, stands = self.ended.result(), self.stands
        probability = verdict.probability
        text = joined(self.heard) if stands else ""
        self.score = score(verdict, self.heard) if text.endswith((".", "?", "!")) else None
        self.leans = leaning(text)
        if stands is False:
            self.likely, self.sure = None, False
        elif probability >= (_STANDS if stands else _FINISHED):
            self.likely = max(probability, self.likely or 0.0)
            known = self.score is not None and self.score >= _SURE_SCORE and not self.leans
            self.sure = self.judged == 1 and (known if stands else probability >= _SURE)
        return True

    @property
    def stands(self) -> bool | None:
        """Whether its words do not break off; None: they are not known, or there are none."""
        text = joined(self.heard) if done(self.heard) else ""
        return not unfinished(text) if text else None

    @property
    def silence_s(self) -> float:
        """How much silence ends the turn here."""
        if self.sure:
            return 0.0
        if self.likely is None and (self.score is None or self.score < _DOUBTED_SCORE):
            return _SILENCE_S if self.score is None else _SILENCE_DOUBTED_S
        if self.leans:
            return _SILENCE_LEANS_S
        if self.likely is None:
            return _SILENCE_WHOLE_S
        return _FINAL_S if self.likely >= _FINISHED else _FINAL_WEAK_S


@dataclass(frozen=True, slots=True)
class Late:
    """A turn that ended before its words were read."""

    start_s: float | None
    end: TurnEnd
    heard: Heard


def done(heard: Heard) -> bool:
    """Whether all of it was read."""
    return all(one.done() for one in heard)


def joined(heard: Heard) -> str:
    """The words that the recognizer believes in; waits for them."""
    text = " ".join(one.text for future in heard if (one := future.result()) is not None)
    return text if text.strip("… ") else ""


def score(verdict: Judged, heard: Heard) -> float:
    """How much speaks for the end of a whole sentence, about even at 0; waits for its words."""
    pieces = [one.logprobs for future in heard if (one := future.result()) is not None and one.logprobs]
    probability = min(max(verdict.probability, _LEAST), 1 - _LEAST)
    fall_st = min(max(verdict.fall_st or 0.0, _FALLS_ST[0]), _FALLS_ST[1])
    mark = pieces[-1][-2:][0]  # the last piece of all is the transcript's end
    return math.log(probability / (1 - probability)) + _BY_MARK * mark + _BY_FALL * fall_st


def hole() -> Future[Transcript | None]:
    """What is heard of lost sound."""
    heard: Future[Transcript | None] = Future()
    heard.set_result(_LOST)
    return heard
