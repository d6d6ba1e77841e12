"""Mood: evidence over time becomes a label that follows change and does not flicker."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from edge.mood import CLASSES, Mood

SHARE = st.floats(0, 1)


def heard(label: str, p: float = 0.7) -> dict[str, float]:
    return {name: p if name == label else (1 - p) / 3 for name in CLASSES}


def play(mood: Mood, start_s: float, *labels: str, p: float = 0.7) -> list[str | None]:
    found = []
    for i, label in enumerate(labels):
        mood.hear(start_s + 0.25 * i, heard(label, p))
        found.append(mood.label)
    return found


def test_nothing_is_said_before_it_is_sure() -> None:
    """One faint observation of something unusual is no label."""
    mood = Mood()
    mood.hear(0.0, heard("angry", 0.4))
    assert mood.label is None
    assert not mood.sure


def test_a_change_is_taken_within_a_second() -> None:
    """From calm to anger, four observations a second."""
    found = play(Mood(), 0.0, *["neutral"] * 12, *["angry"] * 8)
    assert found[11] == "neutral"
    assert found.index("angry") - 12 <= 4


def test_one_stray_observation_changes_nothing() -> None:
    """A single other reading in a second is an error of the reading."""
    found = play(Mood(), 0.0, *(["neutral"] * 6 + ["happy"]) * 4, p=0.6)
    assert set(found[4:]) == {"neutral"}


def test_a_voice_is_heard_against_its_own_habit() -> None:
    """Whoever always sounds a little angry is called angry later than whoever never does."""
    doubt = {"neutral": 0.42, "happy": 0.09, "sad": 0.09, "angry": 0.4}
    rough, plain = Mood(), Mood()
    for i in range(20):
        rough.hear(0.25 * i, doubt)
        plain.hear(0.25 * i, heard("neutral"))
    assert rough.label == plain.label == "neutral"
    turned = {"neutral": 0.3, "happy": 0.1, "sad": 0.1, "angry": 0.5}
    steps = {}
    for name, mood in (("rough", rough), ("plain", plain)):
        steps[name] = 0
        while mood.label != "angry" and steps[name] < 40:
            mood.hear(5.0 + 0.25 * steps[name], turned)
            steps[name] += 1
    assert steps["plain"] < steps["rough"]


def test_a_long_pause_ends_the_feeling_but_not_the_habit() -> None:
    """After it nothing is sure."""
    mood = Mood()
    play(mood, 0.0, *["sad"] * 12, p=0.9)
    assert mood.label == "sad"
    mood.pause()
    assert mood.label is None
    assert not mood.sure


@given(st.lists(st.tuples(st.floats(0.01, 5), SHARE, SHARE, SHARE, SHARE), max_size=60))
def test_any_evidence_keeps_it_a_distribution(session: list[tuple[float, float, float, float, float]]) -> None:
    """Whatever comes, beliefs stay positive and sum to one."""
    mood, t_s = Mood(), 0.0
    for gap_s, *shares in session:
        t_s += gap_s
        mood.hear(t_s, dict(zip(CLASSES, shares, strict=True)))
        assert math.isclose(sum(mood._belief.values()), 1, abs_tol=1e-9)
        assert all(0 < value < 1 for value in mood._belief.values())
        assert mood.label in (None, *CLASSES)
