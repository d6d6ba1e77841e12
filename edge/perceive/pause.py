"""Judging a pause: does it end the turn, and how much silence does that take?

Three witnesses: how finished it sounds (the end-of-turn network), how far the voice has come down, and whether the
words stand or break off.
"""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass

from edge.perceive.unfinished import leaning, unfinished
from edge.types import TurnEnd
from models.asr import Transcript

_FINISHED = 0.4  # probability from which the sound is called complete: 3 in 4 whole sentences pass, 1 in 5 cut ones
_STANDS = 0.15  # the same, where the words are known and do not break off
_SURE = 0.9  # probability, at the first judgement, from which a likely end is final at once …
_SURE_FALLS, _FALLS_ST = 0.5, 1.5  # … or this one, where the words stand and the voice came down by so many semitones
_FINAL_S = 0.38  # silence that makes any other likely end final
_FINAL_WEAK_S = 0.5  # … and one that its words alone make likely
_SILENCE_WHOLE_S = 0.5  # silence that ends a turn whose words are a whole sentence, however it sounded …
_SILENCE_LEANS_S = 0.7  # … and where its last word seldom is one
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
    whole: bool = False  # its words are a whole sentence, as the recognizer punctuates
    leans: bool = False  # its last word seldom ends one

    def judge(self) -> bool:
        """Take in what is known by now; whether anything of the end is."""
        if self.ended is None:
            return True
        if not self.ended.done():
            return False
        verdict, stands = self.ended.result(), self.stands
        probability = verdict.probability
        text = joined(self.heard) if stands else ""
        self.whole, self.leans = text.endswith((".", "?", "!")), leaning(text)
        if stands is False:
            self.likely, self.sure = None, False
        elif probability >= (_STANDS if stands else _FINISHED):
            self.likely = max(probability, self.likely or 0.0)
            low = stands is True and verdict.fall_st is not None and verdict.fall_st >= _FALLS_ST
            self.sure = self.judged == 1 and probability >= (_SURE_FALLS if low else _SURE)
        return True

    @property
    def stands(self) -> bool | None:
        """Whether its words do not break off; None: they are not known, or there are none."""
        text = joined(self.heard) if done(self.heard) else ""
        return not unfinished(text) if text else None

    @property
    def silence_s(self) -> float:
        """How much silence ends the turn here."""
        if self.likely is None:
            whole_s = _SILENCE_LEANS_S if self.leans else _SILENCE_WHOLE_S
            return whole_s if self.whole else _SILENCE_S
        if self.sure:
            return 0.0
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


def hole() -> Future[Transcript | None]:
    """What is heard of lost sound."""
    heard: Future[Transcript | None] = Future()
    heard.set_result(_LOST)
    return heard
