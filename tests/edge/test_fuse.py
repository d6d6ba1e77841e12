"""Joining voice and face: as people do, and never surer than both allow."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.fuse import fuse, valence_arousal
from edge.types import EMOTIONS, Affect


def affect(
    probs: dict[str, float], confidence: float | None = 0.7, age_ms: float = 0.0, unclear: bool = False
) -> Affect:
    full = {name: probs.get(name, 0.0) for name in EMOTIONS}
    valence, arousal = valence_arousal(full)
    label = max(full, key=full.__getitem__)
    return Affect(
        probs=full, label=label, valence=valence, arousal=arousal, confidence=confidence, unclear=unclear, age_ms=age_ms
    )


def clear(label: str, p: float = 0.8, names: tuple[str, ...] = EMOTIONS, confidence: float | None = 0.7) -> Affect:
    return affect({n: p if n == label else (1 - p) / (len(names) - 1) for n in names}, confidence)


VOICE = EMOTIONS[:4]
raw = st.lists(st.floats(0.001, 1.0), min_size=8, max_size=8)
sure = st.none() | st.floats(0, 1)


def spread(values: list[float], names: tuple[str, ...]) -> dict[str, float]:
    kept = values[: len(names)]
    return {name: value / sum(kept) for name, value in zip(names, kept, strict=True)}


@settings(max_examples=100)
@given(raw, raw, sure, sure)
def test_a_joint_affect_is_one(
    a: list[float], b: list[float], voice_sure: float | None, face_sure: float | None
) -> None:
    """Probabilities sum to 1, ranges hold, confidence stays under the noisy-or of both, None when neither has one."""
    joint = fuse(affect(spread(a, VOICE), voice_sure), affect(spread(b, EMOTIONS), face_sure))
    assert joint is not None
    assert sum(joint.probs.values()) == pytest.approx(1, abs=1e-4)
    assert all(p >= 0 for p in joint.probs.values())
    assert -1 <= joint.valence <= 1
    assert -1 <= joint.arousal <= 1
    if voice_sure is None and face_sure is None:
        assert joint.confidence is None
    else:
        assert joint.confidence is not None
        assert joint.confidence <= 1 - (1 - (voice_sure or 0)) * (1 - (face_sure or 0)) + 1e-9


def test_one_channel_missing_is_the_other() -> None:
    """Nothing is added to what one channel says; nothing comes from nothing."""
    voice, face = clear("sad", names=VOICE), clear("happy")
    assert fuse(voice, None) is voice
    assert fuse(None, face) is face
    assert fuse(None, None) is None


@pytest.mark.parametrize("label", VOICE)
def test_agreement_keeps_the_label(label: str) -> None:
    """Both say it: so does the joint."""
    joint = fuse(clear(label, names=VOICE), clear(label))
    assert joint is not None
    assert joint.label == label


def test_a_flat_channel_leaves_the_other_in_charge() -> None:
    """A face that says nothing does not overrule a clear voice, and the other way round."""
    flat_face = affect({name: 1 / 8 for name in EMOTIONS})
    flat_voice = affect({name: 1 / 4 for name in VOICE})
    by_voice, by_face = fuse(clear("angry", 0.9, VOICE), flat_face), fuse(flat_voice, clear("happy", 0.9))
    assert by_voice is not None
    assert by_voice.label == "angry"
    assert by_face is not None
    assert by_face.label == "happy"


def test_surprise_comes_over_from_the_face() -> None:
    """The raters had no word for it; the face's is kept."""
    joint = fuse(clear("neutral", names=VOICE), clear("surprise", 0.9))
    assert joint is not None
    assert joint.label == "surprise"


def test_two_calm_channels_are_calm() -> None:
    """Nothing shown and nothing heard must not join into a mild displeasure."""
    joint = fuse(clear("neutral", 0.85, VOICE), clear("neutral", 0.9))
    assert joint is not None
    assert joint.label == "neutral"
    assert joint.probs["neutral"] >= 0.8
    assert abs(joint.valence) <= 0.05
