"""Turns: means, trends, baselines; bounded."""

from __future__ import annotations

import pytest

from edge.turns import KEEP_TURNS, Turns, direction
from edge.types import Affect, Attention, PersonState


def state(
    t_s: float,
    frustration: float = 0.0,
    person: int = 1,
    on_target: bool = True,
    speaking: bool = True,
    valence: float = -0.7,
) -> PersonState:
    affect = Affect(
        probs={"sad": 1.0}, label="sad", valence=valence, arousal=-0.4, confidence=0.8, unclear=False, age_ms=0
    )
    looks = Attention(head_pose_deg=None, gaze_deg=None, on_target=on_target, away_s=0, age_ms=0)
    return PersonState(
        person=person,
        t_s=t_s,
        turn=1,
        speaking=speaking,
        fused=affect,
        attention=looks,
        cues={"frustration": frustration},
    )


def turn(turns: Turns, start_s: float, frustration: float, person: int = 1, valence: float = -0.7) -> None:
    turns.begin(start_s)
    for i in range(1, 21):
        turns.step(state(start_s + i / 10, frustration, person, valence=valence), is_speaker=True)
    turns.end(start_s + 2)


def test_a_turn_is_summed_up() -> None:
    """Time-weighted means, speech time, share of looking away, the leading label."""
    turns = Turns()
    turns.begin(0.0)
    for i in range(1, 41):
        turns.step(state(i / 10, i / 40, on_target=i > 10, speaking=i <= 30), is_speaker=True)
    summary = turns.end(4.0)
    assert summary is not None
    assert (summary.turn, summary.person, summary.label) == (1, 1, "sad")
    assert summary.speech_s == pytest.approx(3.0)
    assert summary.means["valence"] == pytest.approx(-0.7)
    assert summary.means["frustration"] == pytest.approx(0.5125)
    assert summary.away_share == pytest.approx(0.25)
    told = {"turn": 1, "speech_s": 3.0, "valence": -0.7, "arousal": -0.4, "away_share": 0.25}
    assert summary.figures() == told  # no incongruence was seen, so none is told
    assert turns.session(1) == {"session_valence": -0.7, "session_arousal": -0.4}
    assert turns.end(5.0) is None


def test_listeners_do_not_count() -> None:
    """Only the speaker's moments belong to the turn, and nobody's twice."""
    turns = Turns()
    turns.begin(0.0)
    turns.step(state(1.0, 0.2), is_speaker=True)
    turns.step(state(1.0, 0.9), is_speaker=True)
    turns.step(state(2.0, 0.9, person=2), is_speaker=False)
    summary = turns.end(3.0)
    assert summary is not None
    assert summary.person == 1
    assert summary.means["frustration"] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ((0.1, 0.3, 0.5), "frustration rising over 3 turns"),
        ((0.2, 0.3, 0.4, 0.55), "frustration rising over 4 turns"),
        ((0.1, 0.2, 0.4), None),  # as in a voice that grows merrier
        ((0.4, 0.3, 0.1), None),
        ((0.6, 0.4, 0.2), "frustration falling over 3 turns"),
        ((0.3, 0.31, 0.3), None),
        ((0.1, 0.6, 0.2), None),
        ((0.1, 0.5), None),
    ],
)
def test_trends_in_words(levels: tuple[float, ...], expected: str | None) -> None:
    """A steady way in one direction over at least three turns, and far enough."""
    turns = Turns()
    for i, level in enumerate(levels):
        turn(turns, i * 10.0, level)
    assert turns.trend(1) == expected


def test_trends_are_per_person() -> None:
    """Somebody else's calm turns between do not hide one's own trend."""
    turns = Turns()
    for i in range(6):
        turn(turns, i * 10.0, 0.1 + 0.1 * i if i % 2 else 0.0, person=1 if i % 2 else 2)
    assert turns.trend(1) == "frustration rising over 3 turns"
    assert turns.trend(2) is None


def test_mood_needs_twice_the_way_on_twice_the_scale() -> None:
    """Valence reaches from -1 to 1: a change that counts for a cue is a wobble there."""
    for fall, expected in ((0.2, None), (0.3, "mood falling over 3 turns")):
        turns = Turns()
        for i in range(3):
            turn(turns, i * 10.0, 0.1, valence=0.4 - fall * i / 2)
        assert turns.trend(1) == expected


def test_a_trend_is_a_share_of_what_is_usual() -> None:
    """12 % of a pitch or a level; a tenth of a hertz is none."""
    assert direction([200.0, 200.1, 200.3], 3) == "steady"
    assert direction([200.0, 215.0, 230.0], 3) == "rising"
    assert direction([-20.0, -22.0, -25.0], 3) == "falling"


def test_direction_needs_enough_turns() -> None:
    """No trend out of too little."""
    assert direction([0.1, 0.9], 3) is None
    assert direction([], 3) is None
    assert direction([0.0, 0.1, float("nan")], 3) is None


def test_a_baseline_is_learned_slowly_and_forgotten_by_rule() -> None:
    """Nothing after one turn; the mean after two; the oldest of many people is forgotten; history is bounded."""
    turns = Turns()
    turn(turns, 0.0, 0.2)
    assert turns.baseline(1).usual("frustration") is None
    turn(turns, 10.0, 0.4)
    assert turns.baseline(1).usual("frustration") == pytest.approx(0.3)
    for person in range(2, 50):
        turn(turns, person * 10.0, 0.1, person=person)
    assert turns.baseline(1).usual("frustration") is None
    assert len(turns.history) == KEEP_TURNS
    assert turns.count == 50
