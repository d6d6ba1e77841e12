"""Two channels that disagree: words against voice, voice against face, face against words.

The raw measure compares how pleasant one side is with how pleasant the other is; it is positive only where they lie on
opposite sides. Channels of a sincere moment disagree often too (raters of CREMA-D's voices and faces agree on 52.6 % of
clips), so the measure is mapped to a strength by what those sincere clips give (`models.train.fusion`): 0.5 is reached
by 2 % of them, 0.9 by 0.5 %. And it must last to count.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from edge.types import Affect, FaceAffect, Incongruence, VoiceAffect
from models import fusion, mood

Pair = Literal["words_voice", "voice_face", "words_face"]
SHOWN_FROM = 0.05  # weaker ones are not reported
TOLD_FROM = 0.5  # weaker ones are not worth a sentence
_TAU_S = 1.0
# A voice head is less sure which way a stranger leans than a rater or a face net is: of sincere streams (RAVDESS actors
# 1–12, FER+ valid, development sentences) 2 % reach an opposition of 0.33 and 0.2 where votes reach 0.57.
_FAINT: Mapping[Pair, float] = {"voice_face": 1.6, "words_voice": 1.6, "words_face": 1.0}
_SIDES: Mapping[Pair, tuple[Literal["words", "voice", "face"], Literal["words", "voice", "face"]]] = {
    "words_voice": ("words", "voice"),
    "voice_face": ("voice", "face"),
    "words_face": ("words", "face"),
}


@dataclass(frozen=True, slots=True)
class Side:
    """One channel's affect, and how pleasant it leans, in (-1, 1)."""

    affect: Affect
    lean: float


def leaning(seen: FaceAffect | VoiceAffect) -> float:
    """Logarithm of the odds that an observation is pleasant rather than unpleasant.

    A voice's finer set says more than its four classes. The odds of the data behind a net are taken out
    (models.fusion.leaning_odds). A voice head learns its classes in balance, so the unpleasant side has odds by their
    number; how much each adds for a stranger `mien train mood` has chosen. The face net is calibrated on faces as they
    are found, where the sides are about even.
    """
    if isinstance(seen, FaceAffect):
        return _odds(seen.probs, 1.0)
    probs = seen.fine if "happy" in seen.fine else seen.probs
    return _odds(probs, sum(name in probs for name in fusion.UNPLEASANT) * mood.load().unpleasant_odds)


def _odds(probs: Mapping[str, float], odds: float) -> float:
    pleasant = sum(probs.get(name, 0.0) for name in fusion.PLEASANT)
    unpleasant = sum(probs.get(name, 0.0) for name in fusion.UNPLEASANT)
    return float(fusion.leaning_odds(max(pleasant, 0.0), max(unpleasant, 0.0), max(odds, 1.0)))


def opposition(a: float, b: float) -> float:
    """How far two sides, each in [-1, 1], are opposed: 1 fully, 0 one is neither, -1 they agree fully."""
    return -a * b


def _clearly_unpleasant(heard: Affect) -> float:
    """How much likelier a voice's label is right than wrong, where it is clear and unpleasant; else 0.

    "I'm fine" said in distress: a leaning has the odds of a stranger's voice taken out and is cautious, but who says of
    a voice that it sounds angry owes the listener that the words do not fit it. Not so for a pleasant label: a voice
    that breaks is too often taken for a cheerful one.
    """
    if heard.unclear or heard.confidence is None or heard.label not in fusion.UNPLEASANT:
        return 0.0
    return max(2 * heard.confidence - 1, 0.0)


class Disagreement:
    """Opposition of every pair over time; only what lasts becomes an Incongruence."""

    def __init__(self) -> None:
        self._levels: dict[Pair, tuple[float, float]] = {}

    @property
    def levels(self) -> dict[Pair, float]:
        """The opposition of each pair that can be compared now, in [-1, 1]; below 0 the channels agree."""
        return {pair: level for pair, (_, level) in self._levels.items()}

    def step(
        self, now_s: float, *, voice: Side | None, face: Side | None, words: float | None, same_person: float = 1.0
    ) -> tuple[Incongruence, ...]:
        """The incongruences that stand at `now_s`. `words`: their polarity in [-1, 1], or None.

        `same_person`, 0–1: how well the lips fit the voice; a voice from elsewhere is no incongruence.
        """
        found = []
        for pair, a, b in (
            ("words_voice", words, voice),
            ("voice_face", voice, face),
            ("words_face", words, face),
        ):
            name: Pair = pair  # type: ignore[assignment]
            if a is None or b is None:
                self._levels.pop(name, None)
                continue
            left = a.lean if isinstance(a, Side) else a
            raw = opposition(left, b.lean)
            if name != "words_voice":
                raw *= same_person
            elif left > 0 and (heard := _clearly_unpleasant(b.affect)):
                raw = max(raw, left * heard)
            level = self._smooth(name, now_s, raw)
            if (value := fusion.load().gap_strength(min(_FAINT[name] * level, 1.0))) >= SHOWN_FROM:
                found.append(
                    Incongruence(
                        between=name,
                        strength=value,
                        evidence=_evidence(a, b, name, pleasant=left > 0),
                        pleasant=_SIDES[name][left <= 0],
                    )
                )
        return tuple(found)

    def _smooth(self, name: Pair, now_s: float, raw: float) -> float:
        fresh = (now_s - 0.2, 0.0) if name == "voice_face" else (-math.inf, 0.0)  # words come once, and are whole
        then_s, level = self._levels.get(name, fresh)
        weight = 1 - math.exp(-max(now_s - then_s, 0.0) / _TAU_S)
        level += weight * (raw - level)
        self._levels[name] = (now_s, level)
        return level


_HEARD = {"happy": "cheerful", "sad": "sad", "angry": "angry", "fear": "anxious", "disgust": "displeased"}
_SEEN = {
    "happy": "smiles",
    "sad": "looks sad",
    "angry": "looks angry",
    "fear": "looks anxious",
    "disgust": "shows displeasure",
    "contempt": "shows disdain",
}
_HEARD_VAGUELY, _SEEN_VAGUELY = ("pleasant", "unhappy"), ("looks pleased", "looks unhappy")


def named(affect: Affect, *, pleasant: bool) -> str | None:
    """Its label, where it is clear and on the pleasant (or the unpleasant) side; else None: it only leans there."""
    side = fusion.PLEASANT if pleasant else fusion.UNPLEASANT
    return None if affect.unclear or affect.label not in side else affect.label


def _told(affect: Affect, names: Mapping[str, str], vague: tuple[str, str], *, pleasant: bool) -> str:
    return names.get(named(affect, pleasant=pleasant) or "", vague[not pleasant])


def _evidence(a: Side | float, b: Side, name: Pair, *, pleasant: bool) -> str:
    """What the two sides are; `pleasant`: the first is the pleasant one."""
    if isinstance(a, Side):
        heard = _told(a.affect, _HEARD, _HEARD_VAGUELY, pleasant=pleasant)
        seen = _told(b.affect, _SEEN, _SEEN_VAGUELY, pleasant=not pleasant)
        return f"the voice sounds {heard} while the face {seen}"
    said = "pleasant words" if pleasant else "unpleasant words"
    if name == "words_voice":
        return f"{said}, but the voice sounds {_told(b.affect, _HEARD, _HEARD_VAGUELY, pleasant=not pleasant)}"
    return f"{said}, but the face {_told(b.affect, _SEEN, _SEEN_VAGUELY, pleasant=not pleasant)}"
