"""Mood: evidence over time becomes a label that follows change and does not flicker."""

from __future__ import annotations

import math
from dataclasses import replace
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
    calm=0.0,
    habit_weight=1.0,
    habit_full_s=4.0,
    habit_lag_s=1.0,
    odds=1.5,
    calm_more=0.0,
    again_more=1.0,
    first_odds=0.5,
    unpleasant_odds=0.8,
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


def test_a_change_is_taken_at_once_where_nothing_else_is_left_to_believe() -> None:
    """The first window that holds only anger names it; nothing has to be forgotten first."""
    found = play(Mood(SET), 0.0, *["neutral"] * 12, *["angry"] * 2, p=0.9)
    assert found[11:] == ["neutral", "angry", "angry"]


def test_what_goes_on_is_named_in_the_end() -> None:
    """Too faint for a window, but the same for two seconds from the first word on: how it sounded on the whole."""
    found = play(Mood(SET), 0.0, *["sad"] * 20, p=0.7)
    assert found[5] is None
    assert found[6:] == ["sad"] * 14


def test_what_it_sounded_like_on_the_whole_names_only_a_first_label() -> None:
    """Afterwards only a window does that leaves little else: what follows calm speech faintly is no change."""
    found = play(Mood(replace(SET, habit_weight=0.0)), 0.0, *["neutral"] * 12, *["sad"] * 20, p=0.7)
    assert found[11:] == ["neutral"] * 21


def test_a_label_that_nothing_speaks_for_is_in_doubt() -> None:
    """It stays the label, since none other is sure, but it is not sure itself."""
    mood = Mood(replace(SET, first_odds=9.0))
    play(mood, 0.0, "neutral", p=0.9)
    assert mood.label == "neutral"
    assert mood.sure
    mood.hear(0.25, {"neutral": 0.04, "happy": 0.32, "sad": 0.32, "angry": 0.32})
    assert mood.label == "neutral"
    assert not mood.sure


def test_windows_are_heard_together() -> None:
    """A last half second that differs is not believed while the whole speaks as clearly for what was before."""
    mood = Mood(SET)
    for i in range(12):
        mood.hear(0.25 * i, heard("neutral", 0.9), heard("neutral", 0.9))
    mood.hear(3.0, heard("neutral", 0.9), heard("angry", 0.9))
    assert mood.label == "neutral"
    mood.hear(3.25, heard("angry", 0.9), heard("angry", 0.9))
    assert mood.label == "angry"


def test_just_after_a_change_another_one_takes_more() -> None:
    """For four seconds of speech; then as little as before."""
    for steps, named in ((4, "angry"), (20, "happy")):
        mood = Mood(replace(SET, habit_weight=0.0))
        assert play(mood, 0.0, *["angry"] * steps, p=0.9)[0] == "angry"
        assert play(mood, 10.0, "happy", p=0.85) == [named]


def test_calm_takes_more_than_a_feeling_where_that_is_set() -> None:
    """`calm_more` is needed on top; `calm` is what calm has before anything is heard."""
    strict = replace(SET, calm_more=1.0, first_odds=9.0)
    assert play(Mood(strict), 0.0, "neutral", p=0.85) == [None]
    assert play(Mood(strict), 0.0, "angry", p=0.85) == ["angry"]
    assert play(Mood(replace(strict, calm=1.0)), 0.0, "neutral", p=0.85) == ["neutral"]


def test_a_stray_half_second_changes_nothing() -> None:
    """One syllable that sounds happy, in two seconds that do not, is an error of the reading."""
    mood, labels = Mood(SET), set[str | None]()
    for i in range(40):
        calm = heard("neutral", 0.7)
        mood.hear(0.25 * i, calm, heard("neutral", 0.5), heard("happy", 0.6) if i % 7 == 6 else calm)
        labels.add(mood.label)
    assert labels <= {None, "neutral"}


def test_a_long_silence_is_not_speech() -> None:
    """An observation stands for half a second of speech at most, however long nothing was heard before it."""
    mood = Mood(replace(SET, odds=9.0))
    mood.hear(0.0, heard("sad", 0.9))
    mood.hear(60.0, heard("sad", 0.9))
    assert mood.label is None
    play(mood, 60.25, "sad", "sad", "sad", "sad", p=0.9)
    assert mood.label == "sad"


def test_a_voice_is_heard_against_its_own_habit() -> None:
    """What is anger in a voice that never sounds like it is nothing in one that always sounds a little angry."""
    rough, plain = Mood(SET), Mood(SET)
    for i in range(20):
        rough.hear(0.25 * i, {"neutral": 0.65, "happy": 0.05, "sad": 0.05, "angry": 0.25})
        plain.hear(0.25 * i, heard("neutral"))
    assert rough.label == plain.label == "neutral"
    for mood in (rough, plain):
        mood.hear(5.0, {"neutral": 0.2, "happy": 0.1, "sad": 0.1, "angry": 0.6})
    assert (rough.label, plain.label) == ("neutral", "angry")


def test_a_long_pause_ends_the_feeling_but_not_the_habit() -> None:
    """After it nothing is sure."""
    mood = Mood(SET)
    play(mood, 0.0, *["sad"] * 12, p=0.9)
    assert mood.label == "sad"
    mood.pause()
    assert mood.label is None
    assert not mood.sure


@given(st.lists(st.tuples(st.floats(0.01, 5), SHARE, SHARE, SHARE, SHARE), max_size=60))
def test_any_evidence_leaves_a_label_or_none(session: list[tuple[float, float, float, float, float]]) -> None:
    """Whatever comes, a label is one of the classes, and only a label is sure; what is kept is bounded."""
    mood, t_s = Mood(SET), 0.0
    for gap_s, *shares in session:
        t_s += gap_s
        mood.hear(t_s, dict(zip(CORE, shares, strict=True)))
        assert mood.label in (None, *CORE)
        assert mood.label is not None or not mood.sure
        assert all(map(math.isfinite, mood._habit))
        assert sum(step_s for step_s, _ in mood._long) < 3.5


def test_the_card_fits_the_settings() -> None:
    """The committed file is the card's, and holds shares, weights and seconds that make sense."""
    assert store.state(card.read("mood")) == "present"
    shipped = load()
    assert min(shipped.habit_weight, shipped.habit_full_s, shipped.habit_lag_s, shipped.unpleasant_odds) > 0
    assert min(shipped.odds, shipped.calm_more, shipped.again_more, shipped.first_odds) >= 0


def test_the_shipped_settings_follow_and_do_not_flicker() -> None:
    """A plain change is named within a second, and one stray half second in seven never is."""
    found = play(Mood(), 0.0, *["neutral"] * 12, *["angry"] * 8, p=0.9)
    assert found[11] == "neutral"
    assert found[15] == found[-1] == "angry"
    steady, mood = heard("neutral"), Mood()
    for i in range(40):
        mood.hear(0.25 * i, steady, steady, heard("happy") if i % 7 == 6 else steady)
        assert mood.label in (None, "neutral")


@pytest.mark.parametrize("text", ["", "[]", '{"calm": 0.5}'])
def test_a_broken_file_names_the_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Not a guess at what it might have held."""
    file = tmp_path / "mood.json"
    file.write_text(text)
    monkeypatch.setattr(store, "path", lambda _name: file)
    with pytest.raises(ModelCorrupt, match="mien train mood"):
        load.__wrapped__()
