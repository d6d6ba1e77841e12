"""Disagreement of channels: opposed, lasting, and of one person."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from edge.fuse import valence_arousal
from edge.incongruence import TOLD_FROM, Disagreement, Side, leaning, opposition
from edge.types import EMOTIONS, Affect, FaceAffect, Incongruence, VoiceAffect


def affect(label: str, p: float = 0.85, unclear: bool = False) -> Side:
    probs = {name: p if name == label else (1 - p) / 7 for name in EMOTIONS}
    valence, arousal = valence_arousal(probs)
    seen = FaceAffect(t_s=0, person=1, probs=probs, valence=valence, arousal=arousal, unclear=unclear)
    known = Affect(probs=probs, label=label, valence=valence, arousal=arousal, confidence=p, unclear=unclear, age_ms=0)
    return Side(known, math.tanh(leaning(seen) / 2))


def lasting(seconds: float, **channels: object) -> tuple[Incongruence, ...]:
    gap, found = Disagreement(), ()
    full: dict[str, object] = {"voice": None, "face": None, "words": None, **channels}
    for i in range(int(seconds * 10) + 1):
        found = gap.step(i / 10, **full)  # type: ignore[arg-type,assignment]
    return found


@pytest.mark.parametrize("voice", ["happy", "sad", "angry", "neutral"])
@pytest.mark.parametrize("face", ["happy", "sad", "angry", "neutral"])
def test_only_opposite_sides_disagree(voice: str, face: str) -> None:
    """Pleasant against unpleasant; two kinds of unpleasant are no contradiction, nor is a neutral side."""
    strong = any(i.strength > 0.5 for i in lasting(3, voice=affect(voice), face=affect(face)))
    assert strong is ((voice == "happy") != (face == "happy") and "neutral" not in (voice, face))


def test_it_must_last() -> None:
    """A glimpse of 0.2 s is nothing; three seconds are."""
    channels = {"voice": affect("sad"), "face": affect("happy")}
    assert max((i.strength for i in lasting(0.2, **channels)), default=0) < 0.3
    assert max(i.strength for i in lasting(3, **channels)) > 0.5


def test_a_channel_that_was_away_begins_anew() -> None:
    """What two channels said before one of them went silent is no evidence for the moment in which it comes back."""
    gap = Disagreement()
    sides = {"voice": affect("sad"), "face": affect("happy"), "words": None}
    for i in range(31):
        found = gap.step(i / 10, **sides)  # type: ignore[arg-type]
    assert max(one.strength for one in found) > 0.5
    assert gap.step(3.1, voice=None, face=affect("happy"), words=None) == ()
    back = gap.step(3.2, **sides)  # type: ignore[arg-type]
    assert max((one.strength for one in back), default=0) < 0.3


def test_words_count_at_once() -> None:
    """Words come once, whole: what they say need not be waited for."""
    (item,) = lasting(0, words=0.85, voice=affect("sad"))
    assert item.between == "words_voice"
    assert item.strength > 0.5
    assert item.evidence == "pleasant words, but the voice sounds sad"


def test_a_channel_that_leans_nowhere_contradicts_nobody() -> None:
    """As likely pleasant as not is no evidence."""
    torn = {"happy": 0.4, "sad": 0.1, "angry": 0.1, "fear": 0.1, "disgust": 0.1, "neutral": 0.2}
    seen = FaceAffect(t_s=0, person=1, probs=torn, valence=0, arousal=0, unclear=True)
    side = Side(affect("sad", unclear=True).affect, math.tanh(leaning(seen) / 2))
    assert lasting(3, voice=side, face=affect("happy"), words=None) == ()


def test_an_unclear_feeling_is_told_by_its_side_alone() -> None:
    """Whether sad or angry is open; that it is unpleasant is not."""
    (item,) = lasting(3, words=0.9, voice=affect("sad", unclear=True))
    assert item.evidence == "pleasant words, but the voice sounds unhappy"
    assert item.pleasant == "words"


def test_a_voice_from_elsewhere_contradicts_no_face() -> None:
    """Still lips: the voice is likely not this person's."""
    assert lasting(3, voice=affect("sad"), face=affect("happy"), same_person=0.0) == ()


def test_evidence_names_both_sides() -> None:
    """In everyday words."""
    (item,) = (i for i in lasting(3, voice=affect("angry"), face=affect("happy")) if i.between == "voice_face")
    assert item.evidence == "the voice sounds angry while the face smiles"


def test_opposition_is_signed() -> None:
    """Agreement is below zero, nothing is zero."""
    assert opposition(affect("happy").lean, affect("sad").lean) > 0.4
    assert opposition(affect("happy").lean, affect("happy").lean) < -0.3
    assert abs(opposition(0.0, 1.0)) == 0


def test_a_voice_leans_by_its_finer_set() -> None:
    """Fear and disgust have no place among the four classes, so those alone would say happy."""
    core = {"neutral": 0.3, "happy": 0.4, "sad": 0.1, "angry": 0.2}
    fine = {"neutral": 0.1, "happy": 0.1, "sad": 0.1, "angry": 0.1, "fear": 0.6}
    seen = VoiceAffect(t_s=0, probs=core, valence=0, arousal=0, listened_s=2, unclear=False)
    afraid = VoiceAffect(t_s=0, probs=core, fine=fine, valence=0, arousal=0, listened_s=2, unclear=False)
    assert leaning(afraid) < -0.2 < 0 < leaning(seen)


@pytest.mark.parametrize(
    ("label", "confidence", "unclear", "words", "told"),
    [
        ("angry", 0.8, False, 0.95, True),
        ("sad", 0.8, False, 0.95, True),
        ("angry", 0.55, False, 0.95, False),  # as likely wrong as right
        ("angry", 0.8, True, 0.95, False),
        ("angry", None, False, 0.95, False),
        ("angry", 0.8, False, -0.9, False),
        ("happy", 0.8, False, -0.9, False),  # a voice that breaks is taken for a cheerful one
    ],
)
def test_a_voice_that_is_said_to_be_in_distress_does_not_fit_pleasant_words(
    label: str, confidence: float | None, unclear: bool, words: float, told: bool
) -> None:
    """Where the state itself says that the voice sounds angry or sad, "I'm fine" is caught, however cautious the
    leaning of a stranger's voice is."""
    heard = replace(affect(label, unclear=unclear).affect, confidence=confidence)
    found = lasting(0, words=words, voice=Side(heard, 0.05))
    assert any(i.strength >= TOLD_FROM and i.pleasant == "words" for i in found) is told
    assert label == "happy" or all("cheerful" not in i.evidence for i in found)
