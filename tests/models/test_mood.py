"""Mood: evidence over time becomes a label that follows change and does not flicker."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import card, store
from models.errors import ModelCorrupt
from models.mood import Mood, Settings, load
from models.voice_head import CORE

SHARE = st.floats(0, 1)
SET = Settings(
    calm=0.6, changes_per_s=0.1, trust=0.4, habit_weight=1.3, habit_full_s=6.0, sure=0.95, unpleasant_odds=0.8
)


def heard(label: str, p: float = 0.7) -> dict[str, float]:
    return {name: p if name == label else (1 - p) / 3 for name in CORE}


def play(mood: Mood, start_s: float, *labels: str, p: float = 0.7) -> list[str | None]:
    found = []
    for i, label in enumerate(labels):
        mood.hear(start_s + 0.25 * i, heard(label, p))
        found.append(mood.label)
    return found


def test_nothing_is_said_before_it_is_sure() -> None:
    """One faint observation of something unusual is no label."""
    mood = Mood(SET)
    mood.hear(0.0, heard("angry", 0.4))
    assert mood.label is None
    assert not mood.sure


def test_a_change_is_taken_within_a_second_and_a_half() -> None:
    """From calm to anger, four observations a second."""
    found = play(Mood(SET), 0.0, *["neutral"] * 12, *["angry"] * 8)
    assert found[11] == "neutral"
    assert found.index("angry") - 12 < 6


def test_what_goes_on_is_named_in_the_end() -> None:
    """Faint, but always the same, from the first word on: the habit does not hide it, nor that people are calm."""
    assert play(Mood(SET), 0.0, *["sad"] * 20, p=0.7)[-1] == "sad"


def test_windows_are_heard_together() -> None:
    """A last second that differs is believed less where the whole does not differ yet."""
    alone, both = Mood(SET), Mood(SET)
    for i in range(12):
        alone.hear(0.25 * i, heard("neutral"))
        both.hear(0.25 * i, heard("neutral"), heard("neutral"))
    steps = {}
    for name, mood, whole in (("alone", alone, ()), ("both", both, (heard("neutral"),))):
        steps[name] = 0
        while mood.label != "angry" and steps[name] < 40:
            mood.hear(3.0 + 0.25 * steps[name], *whole, heard("angry"))
            steps[name] += 1
    assert steps["alone"] < steps["both"]


def test_one_stray_observation_changes_nothing() -> None:
    """A single other reading in a second is an error of the reading."""
    found = play(Mood(SET), 0.0, *(["neutral"] * 6 + ["happy"]) * 4, p=0.6)
    assert set(found[4:]) == {"neutral"}


def test_a_voice_is_heard_against_its_own_habit() -> None:
    """Whoever always sounds a little angry is called angry later than whoever never does."""
    doubt = {"neutral": 0.6, "happy": 0.08, "sad": 0.08, "angry": 0.24}
    rough, plain = Mood(SET), Mood(SET)
    for i in range(20):
        rough.hear(0.25 * i, doubt)
        plain.hear(0.25 * i, heard("neutral"))
    assert rough.label == plain.label == "neutral"
    turned = {"neutral": 0.25, "happy": 0.1, "sad": 0.1, "angry": 0.55}
    steps = {}
    for name, mood in (("rough", rough), ("plain", plain)):
        steps[name] = 0
        while mood.label != "angry" and steps[name] < 40:
            mood.hear(5.0 + 0.25 * steps[name], turned)
            steps[name] += 1
    assert steps["plain"] < steps["rough"]


def test_a_long_pause_ends_the_feeling_but_not_the_habit() -> None:
    """After it nothing is sure."""
    mood = Mood(SET)
    play(mood, 0.0, *["sad"] * 12, p=0.9)
    assert mood.label == "sad"
    mood.pause()
    assert mood.label is None
    assert not mood.sure


@given(st.lists(st.tuples(st.floats(0.01, 5), SHARE, SHARE, SHARE, SHARE), max_size=60))
def test_any_evidence_keeps_it_a_distribution(session: list[tuple[float, float, float, float, float]]) -> None:
    """Whatever comes, beliefs stay positive and sum to one."""
    mood, t_s = Mood(SET), 0.0
    for gap_s, *shares in session:
        t_s += gap_s
        mood.hear(t_s, dict(zip(CORE, shares, strict=True)))
        assert math.isclose(sum(mood._belief), 1, abs_tol=1e-9)
        assert all(0 < value < 1 for value in mood._belief)
        assert mood.label in (None, *CORE)


def test_the_card_fits_the_settings() -> None:
    """The committed file is the card's, and holds shares, weights and seconds that make sense."""
    assert store.state(card.read("mood")) == "present"
    shipped = load()
    assert 0.25 <= shipped.calm < 1
    assert 0.5 < shipped.sure < 1
    assert min(shipped.changes_per_s, shipped.trust, shipped.habit_weight) > 0
    assert min(shipped.habit_full_s, shipped.unpleasant_odds) > 0


def test_the_shipped_settings_follow_and_do_not_flicker() -> None:
    """A plain change is named within two seconds, and one stray reading in seven never is."""
    found = play(Mood(), 0.0, *["neutral"] * 12, *["angry"] * 8, p=0.9)
    assert found[11] == "neutral"
    assert found[-1] == "angry"
    assert set(play(Mood(), 0.0, *(["neutral"] * 6 + ["happy"]) * 6)) <= {None, "neutral"}


@pytest.mark.parametrize("text", ["", "[]", '{"calm": 0.5}'])
def test_a_broken_file_names_the_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Not a guess at what it might have held."""
    file = tmp_path / "mood.json"
    file.write_text(text)
    monkeypatch.setattr(store, "path", lambda _name: file)
    with pytest.raises(ModelCorrupt, match="mien train mood"):
        load.__wrapped__()
