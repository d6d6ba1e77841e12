"""The joint benchmark's own arithmetic: what it counts must be counted right."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from benchmarks import sentences
from benchmarks.joint_streams import auroc, face_stream, play, pleasant, strength
from edge.state import People
from edge.types import FaceAffect, FaceSeen, Incongruence, PersonState

FACE = FaceAffect(t_s=0, person=1, probs={"happy": 1.0}, valence=0.8, arousal=0.5, unclear=False, confidence=0.9)


@pytest.mark.parametrize(
    ("opposed", "congruent", "expected"),
    [([0.9, 0.8], [0.1, 0.2], 1.0), ([0.1], [0.9], 0.0), ([0.5, 0.5], [0.5], 0.5), ([0.2, 0.8], [0.5], 0.5)],
)
def test_auroc(opposed: list[float], congruent: list[float], expected: float) -> None:
    """Share of pairs in the right order; ties count half."""
    assert auroc(opposed, congruent) == pytest.approx(expected)


def test_a_face_stream_plays_through_people() -> None:
    """A state at each observation and ten a second besides, one person, the label of the picture; lips move only while
    they should."""
    stream = face_stream(FACE, 3.0, (1.0, 2.0))
    stream.append(replace(FACE, t_s=1.234))
    mouths = {o.mouth_open for o in stream if isinstance(o, FaceSeen) and not 1.0 <= o.t_s <= 2.0}
    assert mouths == {0.02}
    played = play(stream, 3.0, 50.0, People())
    times = [state.t_s for state, _ in played]
    assert 51.234 in times
    assert len(times) >= 30
    assert max(b - a for a, b in pairwise(times)) < 0.11
    assert {state.person for state, _ in played} == {1}
    assert played[-1][0].face is not None
    assert played[-1][0].face.label == "happy"


def test_strength_is_graded_below_zero_too() -> None:
    """A shown incongruence counts as it is; where there is none, more agreement scores lower."""
    item = Incongruence(between="voice_face", strength=0.7, evidence="…", pleasant="face")
    shown = PersonState(person=1, t_s=0, turn=1, speaking=True, incongruence=(item,))
    bare = PersonState(person=1, t_s=0, turn=1, speaking=True)
    assert strength([(shown, {"voice_face": 0.4}), (bare, {"voice_face": 0.1})], "voice_face") == 0.7
    assert strength([(bare, {"voice_face": -0.3})], "voice_face") == -0.3
    assert strength([(bare, {})], "words_face") == 0.0


def test_sentences_are_the_pinned_ones_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another file than the published one is not measured on."""
    other = tmp_path / "yelp.json"
    other.write_text("[]")
    monkeypatch.setenv("MIEN_SENTENCES", str(other))
    assert sentences.read() is None


def test_sides() -> None:
    """Only happiness is pleasant among the acted labels."""
    assert pleasant("happy")
    assert not np.any([pleasant(name) for name in ("sad", "angry", "fear", "disgust", "neutral")])
