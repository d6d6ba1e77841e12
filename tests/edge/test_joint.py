"""One person's channels, joined."""

from __future__ import annotations

from edge.fuse import valence_arousal
from edge.joint import Channels, Joint
from edge.types import EMOTIONS, Affect


def affect(label: str, confidence: float | None) -> Affect:
    probs = {name: 0.72 if name == label else 0.04 for name in EMOTIONS}
    valence, arousal = valence_arousal(probs)
    return Affect(
        probs=probs, label=label, valence=valence, arousal=arousal, confidence=confidence, unclear=False, age_ms=0.0
    )


def test_channels_without_a_calibrated_confidence_are_joined_all_the_same() -> None:
    """The joint affect has none either; and where one channel has one, the joint is no surer than that."""
    joint = Joint()
    fused = joint.fused(Channels(None, None, affect("happy", None), affect("happy", None), None))
    assert fused is not None
    assert (fused.label, fused.confidence) == ("happy", None)
    fused = joint.fused(Channels(None, None, affect("happy", 0.6), affect("happy", None), None))
    assert fused is not None
    assert fused.confidence is not None
    assert fused.confidence <= 0.6
    assert joint.fused(Channels(None, None, None, None, None)) is None
