"""One person's channels, joined: the fused affect with a confidence that age cannot raise, and what disagrees."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from edge import sentiment
from edge.fuse import fuse
from edge.incongruence import Disagreement, Pair, Side
from edge.track import Face, Voice
from edge.types import Affect, Incongruence, Words

_WORDS_WEIGH_S = 5.0  # after that long the voice and the face belong to something else
_WORDS_OVER_S = 1.0  # a voice heard this long after the words' end says other words


@dataclass(frozen=True, slots=True)
class Channels:
    """What is heard and seen of one person at one moment, as far as it is fresh."""

    voice: Voice | None
    face: Face | None
    heard: Affect | None
    shown: Affect | None
    words: Words | None


class Joint:
    """Remembers, for one person, what the joint judgement rested on."""

    def __init__(self) -> None:
        self._gap = Disagreement()
        self._inputs: tuple[Mapping[str, float], Mapping[str, float], Affect] | None = None
        self._sure: tuple[tuple[float, float], float] | None = None  # newest evidence, confidence then

    @property
    def levels(self) -> dict[Pair, float]:
        """How far the channels were opposed at the last step, in [-1, 1]; below 0 they agree."""
        return self._gap.levels

    def fused(self, now: Channels) -> Affect | None:
        """The joint affect. With nothing new its confidence may only fall: an old doubt that fades proves nothing."""
        heard, shown = now.heard, now.shown
        if heard is None or shown is None:
            self._inputs = None
            fused = fuse(heard, shown)
        elif self._inputs is not None and self._inputs[0] is heard.probs and self._inputs[1] is shown.probs:
            fused = replace(self._inputs[2], age_ms=min(heard.age_ms, shown.age_ms))  # nothing new, nothing faded
        else:
            fused = fuse(heard, shown)
            assert fused is not None
            self._inputs = (heard.probs, shown.probs, fused)
        if fused is None or fused.confidence is None:
            self._sure = None
            return fused
        newest_s = (
            now.voice.affect.t_s if now.voice else -math.inf,
            now.face.affect.t_s if now.face else -math.inf,
        )
        sure = fused.confidence
        if self._sure is not None and self._sure[0] == newest_s:
            sure = min(sure, self._sure[1])
        self._sure = (newest_s, sure)
        return replace(fused, confidence=sure) if sure < fused.confidence else fused

    def _polarity(self, now: Channels, now_s: float) -> float | None:
        """How pleasant the last words are, while they are what the voice and the face belong to."""
        words = now.words
        if words is None or now_s - words.t_s > _WORDS_WEIGH_S:
            return None
        if now.voice is not None and now.voice.affect.t_s > words.end_s + _WORDS_OVER_S:
            return None
        return sentiment.polarity(words.text, words.language)

    def disagreement(self, now: Channels, now_s: float, lips: float | None) -> tuple[Incongruence, ...]:
        """What disagrees at `now_s`. `lips`, 0–1: how well they fit the voice; None: not known."""
        return self._gap.step(
            now_s,
            voice=None if now.voice is None or now.heard is None else Side(now.heard, now.voice.affect.lean(now_s)),
            face=None if now.face is None or now.shown is None else Side(now.shown, now.face.affect.lean(now_s)),
            words=self._polarity(now, now_s),
            same_person=1.0 if lips is None else min(1.0, 2 * lips),
        )
