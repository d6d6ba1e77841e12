"""What two channels say together: nothing new makes nobody surer, and a channel that is not fresh says nothing."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from edge.fuse import valence_arousal
from edge.joint import Channels, Joint
from edge.types import EMOTIONS, Affect


def affect(label: str, *, confidence: float | None = 0.8, age_ms: float = 0.0) -> Affect:
    probs = {name: 0.86 if name == label else 0.02 for name in EMOTIONS}
    valence, arousal = valence_arousal(probs)
    return Affect(
        probs=probs,
        label=label,
        valence=valence,
        arousal=arousal,
        confidence=confidence,
        unclear=False,
        age_ms=age_ms,
    )


def channel(t_s: float, lean: float = 0.9) -> SimpleNamespace:
    """The part of a voice or a face that is asked here: when its evidence came, and where it leans."""
    return SimpleNamespace(affect=SimpleNamespace(t_s=t_s, lean=lambda _now_s: lean))


def now(
    *, voice: float | None = None, face: float | None = None, heard: Affect | None = None, shown: Affect | None = None
) -> Channels:
    """Channels whose evidence came at `voice` and `face` seconds."""
    return Channels(
        voice=None if voice is None else channel(voice, -0.9),  # type: ignore[arg-type]
        face=None if face is None else channel(face),  # type: ignore[arg-type]
        heard=heard,
        shown=shown,
        words=None,
    )


def test_channels_without_a_calibrated_confidence_are_joined_all_the_same() -> None:
    """The joint affect has none either; and where one channel has one, the joint is no surer than that."""
    joint = Joint()
    fused = joint.fused(now(heard=affect("happy", confidence=None), shown=affect("happy", confidence=None)))
    assert fused is not None
    assert (fused.label, fused.confidence) == ("happy", None)
    fused = joint.fused(now(heard=affect("happy", confidence=0.6), shown=affect("happy", confidence=None)))
    assert fused is not None
    assert fused.confidence is not None
    assert fused.confidence <= 0.6
    assert joint.fused(now()) is None


def test_without_new_evidence_it_grows_no_surer() -> None:
    """A doubt that fades with age proves nothing; what is new may."""
    joint = Joint()
    first = joint.fused(now(face=1.0, shown=affect("happy", confidence=0.5)))
    faded = joint.fused(now(face=1.0, shown=affect("happy", confidence=0.7)))
    anew = joint.fused(now(face=1.2, shown=affect("happy", confidence=0.7)))
    assert [one and one.confidence for one in (first, faded, anew)] == [0.5, 0.5, 0.7]


def test_the_same_inputs_are_the_same_judgement_but_older() -> None:
    """Only the age goes on while neither channel tells anything new."""
    joint, heard, shown = Joint(), affect("sad"), affect("sad")
    first = joint.fused(now(voice=1.0, face=1.0, heard=heard, shown=shown))
    later = [replace(one, age_ms=300.0) for one in (heard, shown)]
    second = joint.fused(now(voice=1.0, face=1.0, heard=later[0], shown=later[1]))
    assert first is not None
    assert second is not None
    assert second.age_ms == 300.0
    assert second == replace(first, age_ms=300.0)


@pytest.mark.parametrize("missing", ["heard", "shown"])
def test_a_channel_that_is_not_fresh_contradicts_nobody(missing: str) -> None:
    """A voice or a face that is remembered, but too old to count, is no side of a contradiction."""
    joint = Joint()
    sides: dict[str, Affect | None] = {"heard": affect("sad"), "shown": affect("happy"), missing: None}
    for tenth in range(31):
        assert joint.disagreement(now(voice=1.0, face=1.0, **sides), tenth / 10, None) == ()


def test_what_is_opposed_for_long_disagrees_unless_the_lips_are_still() -> None:
    """A sad voice and a happy face; a voice from elsewhere is no person's contradiction."""
    both = now(voice=1.0, face=1.0, heard=affect("sad"), shown=affect("happy"))
    for lips, found in ((None, True), (0.5, True), (0.0, False)):
        joint = Joint()
        for tenth in range(31):
            last = joint.disagreement(both, tenth / 10, lips)
        assert bool(last) is found
        assert joint.levels
