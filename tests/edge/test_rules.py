"""Awareness rules: hold, hysteresis, cool-down, trend, typed arguments, clear errors, hot reload."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from edge.conditions import parse
from edge.errors import ConfigError
from edge.rules import Rules
from edge.types import Affect, Attention, Drowsiness, Event, Incongruence, PersonState


def state(t_s: float, away_s: float | None = None, turn: int = 1, **parts: object) -> PersonState:
    attention = None
    if away_s is not None:
        attention = Attention(head_pose_deg=None, gaze_deg=None, on_target=away_s == 0, away_s=away_s, age_ms=0)
    return PersonState(person=1, t_s=t_s, turn=turn, speaking=None, attention=attention, **parts)  # type: ignore[arg-type]


def drowsy(level: str) -> Drowsiness:
    return Drowsiness(level=level, perclos=0.4, blink_per_min=None, window_s=60, yawning=False, age_ms=0)  # type: ignore[arg-type]


def write(folder: Path, text: str) -> Path:
    file = folder / "rules.toml"
    file.write_text(text)
    return file


def play(rules: Rules, states: Iterable[PersonState]) -> list[Event]:
    return [event for one in states for event in rules.step([one], one.t_s)]


def span(start: float, stop: float, step: float = 0.1) -> list[float]:
    return [start + i * step for i in range(round((stop - start) / step))]


def no_trend(_path: str, _turns: int) -> str | None:
    return None


# ---------------------------------------------------------------- conditions


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("attention.away_s > 3", True),
        ("attention.away_s <= 3 or attention.on_target == false", True),
        ("not attention.on_target and turn == 1", True),
        ("fused.label == 'happy'", None),  # not known: neither yes nor no
        ("not fused.label == 'happy'", None),
        ("fused.label == 'happy' or turn >= 1", True),
        ("fused.label == 'happy' and turn > 5", False),
        ("incongruence > 0.5", False),
        ("(turn == 1 or turn == 2) and incongruence == 0", True),
        ("speaking", None),
        ("cues.frustration > 0.1", None),
        ("drowsiness.level != 'alert'", None),
        ("attention lost", True),
        ("attention lost and turn > 1", False),
        ("trend(frustration) rising", None),
        ("trend(frustration) steady over 2 turns or turn == 1", True),
    ],
)
def test_three_valued_logic(text: str, expected: bool | None) -> None:
    """What is not known is neither true nor false, and the rest of the sentence may still decide."""
    assert parse(text).holds(state(1, 4.0), no_trend) is expected


def test_a_gaze_that_cannot_be_read_is_neither_here_nor_away() -> None:
    """A face whose eyes were not read: neither the condition nor its contrary holds."""
    unread = Attention(head_pose_deg=(0.0, 0.0, 0.0), gaze_deg=None, on_target=None, away_s=0.0, age_ms=0)
    one = replace(state(1, 0.0), attention=unread)
    for text in ("attention.away_s > 3", "not (attention.away_s > 3)", "attention lost", "not attention lost"):
        assert parse(text).holds(one, no_trend) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "ends too early"),
        ("attention.away > 3", "do you mean attention.away_s"),
        ("attention.away_s", "no yes-or-no question"),
        ("attention.away_s > 'long'", "number cannot be compared with a text"),
        ("fused.label > 'sad'", "needs numbers"),
        ("fused.label == 'sadd'", "never happens: there is neutral"),
        ("drowsiness.level == 'sleepy'", "there is calibrating"),
        ("turn > 1 and", "ends too early"),
        ("(turn > 1", "expected"),
        ("turn > 1 turn", "not expected there"),
        ("turn > 1 and fused.valence", "yes-or-no"),
        ("trend(label) == 'rising'", "trend needs a number"),
        ("trend(frustration, 99) == 'rising'", "2 to 16 turns"),
        ("trend(frustration) == 'up'", "there is rising"),
        ("trend(frustration) up", "'up' was not expected"),
        ("trend(frustration) rising over 1 turns", "2 to 16 turns"),
        ("trend(frustration) rising over 3", "'turns' expected"),
        ("trend(frustration, 4) rising over 3 turns", "'over' was not expected"),
        ("attention found", "nothing is called 'attention'"),
        ("turn > $", "cannot read from"),
        ("__class__ == 1", "nothing is called"),
        ("(" * 3000 + "turn > 1" + ")" * 3000, "nested too deeply"),
        ("not " * 3000 + "speaking", "nested too deeply"),
    ],
)
def test_a_wrong_condition_is_one_clear_error(text: str, says: str) -> None:
    """The message holds the condition and the mend."""
    with pytest.raises(ConfigError, match=says):
        parse(text)


# ---------------------------------------------------------------- firing


def test_hold_hysteresis_and_cooldown(tmp_path: Path) -> None:
    """Fires once after 2 s, not again while it lasts, and after release only when the cool-down is over."""
    file = write(
        tmp_path,
        """
        [[rule]]
        name = "away"
        when = "attention.away_s > 1"
        until = "attention.on_target"
        for = "2s"
        cooldown = "10s"
        priority = "alert"
        """,
    )
    away = [(0, 1.5), (1.5, 0), (2.0, 9), (9.0, 0), (10.0, 9), (20.0, 9)]  # (from, away_s)

    def level(t_s: float) -> float:
        return [value for start, value in away if start <= t_s + 1e-9][-1]

    fired = play(Rules.load(file), [state(t, float(level(t))) for t in span(0, 20)])
    assert [(e.name, e.priority) for e in fired] == [("away", "alert")] * 2
    assert fired[0].t_s == pytest.approx(4.0)  # the first 1.5 s were too short
    assert fired[1].t_s == pytest.approx(14.0)  # held from 12.0, but cooling down


def test_a_rule_put_in_anothers_place_begins_anew() -> None:
    """It neither waits for the end of what the old one saw nor for its cool-down; put again, it fires again."""
    rules = Rules([])
    text = '[[rule]]\nname = "away"\nwhen = "attention.away_s > 1"\ncooldown = "60s"'
    times = []
    for start in (0.0, 1.0):
        rules.put(text)
        times += [event.t_s for event in play(rules, [state(t, 5.0) for t in span(start, start + 1)])]
    assert times == [0.0, 1.0]


def test_a_gap_in_the_states_begins_the_hold_anew(tmp_path: Path) -> None:
    """Two short sights, minutes apart, are no long one."""
    file = write(tmp_path, '[[rule]]\nname = "away"\nwhen = "attention.away_s > 1"\nfor = "2s"')
    assert play(Rules.load(file), [state(t, 5.0) for t in [*span(0, 1.5), *span(60, 61.5)]]) == []


def test_unknown_never_fires(tmp_path: Path) -> None:
    """Without the channel nothing is true of it, negated or not."""
    file = write(
        tmp_path,
        '[[rule]]\nname = "a"\nwhen = "not attention.on_target"\n[[rule]]\nname = "b"\nwhen = "fused.valence < 1"',
    )
    assert play(Rules.load(file), [state(t) for t in span(0, 5)]) == []


def test_arguments_are_typed_and_tools_are_called(tmp_path: Path) -> None:
    """Plain values go as they are, paths as read; the tool of that name is called with them, and may fail."""
    file = write(
        tmp_path,
        """
        [[rule]]
        name = "wake"
        when = "drowsiness.level == 'drowsy'"
        call = "alarm"
        [rule.arguments]
        text = "wake up"
        loud = true
        times = 3
        perclos = { from = "drowsiness.perclos" }
        blinks = { from = "drowsiness.blink_per_min" }
        """,
    )
    rules = Rules.load(file)
    got: list[dict[str, object]] = []
    rules.tools["alarm"] = lambda **arguments: got.append(arguments)
    (event,) = play(rules, [state(0.0, drowsiness=drowsy("drowsy"))])
    wanted = {"text": "wake up", "loud": True, "times": 3, "perclos": 0.4}
    assert got == [wanted]
    assert event.arguments == {"call": "alarm", **wanted}

    def broken(**_arguments: object) -> None:
        raise RuntimeError("no buzzer")

    rules.tools["alarm"] = broken
    assert len(play(rules, [state(1.0, drowsiness=drowsy("alert")), state(1.1, drowsiness=drowsy("drowsy"))])) == 1
    assert rules.tool_faults == 1


@pytest.mark.parametrize("when", ["trend(frustration) == 'rising'", "trend(frustration) rising over 3 turns"])
def test_trend_over_turns(tmp_path: Path, when: str) -> None:
    """Frustration that rises over three turns fires when the third has ended; one that stays does not, and neither does
    the beginning of a third turn."""
    file = write(tmp_path, f'[[rule]]\nname = "rising"\nwhen = "{when}"')

    def session(*levels: float) -> list[PersonState]:
        moments = [
            state(n + i / 10, turn=n, cues={"frustration": v}) for n, v in enumerate(levels, 1) for i in range(5)
        ]
        ends = [replace(one, events=(Event(t_s=one.t_s, name="turn_end"),)) for one in moments]
        return [ends[i] if i % 5 == 3 else one for i, one in enumerate(moments)]  # and a moment after each

    assert [(e.name, e.t_s) for e in play(Rules.load(file), session(0.1, 0.3, 0.5))] == [("rising", 3.3)]
    assert play(Rules.load(file), session(0.3, 0.32, 0.31)) == []
    assert play(Rules.load(file), session(0.1, 0.5)) == []
    assert play(Rules.load(file), session(0.1, 0.3, 0.5)[:13]) == []


@pytest.mark.parametrize(
    ("when", "fires_s"),
    [("incongruence > 0.6 for 2s", [2.0]), ("attention lost for 500ms", [0.5]), ("attention lost", [0.0])],
)
def test_a_time_at_the_end_of_a_condition_is_its_hold(tmp_path: Path, when: str, fires_s: list[float]) -> None:
    """`when … for 2s` fires once the condition has held for two seconds."""
    file = write(tmp_path, f'[[rule]]\nname = "held"\nwhen = "{when}"')
    gap = (Incongruence(between="voice_face", strength=0.8, evidence="", pleasant="face"),)
    fired = play(Rules.load(file), [state(t, 1.0, incongruence=gap) for t in span(0, 4)])
    assert [round(e.t_s, 2) for e in fired] == fires_s


def test_who_is_forgotten_has_no_progress(tmp_path: Path) -> None:
    """What one recording held neither silences nor makes up a rule in the next, whose time begins anew."""
    file = write(tmp_path, '[[rule]]\nname = "away"\nwhen = "attention lost"\ncooldown = "60s"')
    rules = Rules.load(file)
    assert [e.name for e in play(rules, [state(t, 5.0) for t in span(50, 51)])] == ["away"]
    rules.reset()
    assert [e.name for e in play(rules, [state(t, 5.0) for t in span(0, 1)])] == ["away"]


def test_each_person_has_a_progress_of_their_own(tmp_path: Path) -> None:
    """One person's cool-down does not silence the other."""
    file = write(tmp_path, '[[rule]]\nname = "away"\nwhen = "attention.away_s > 1"\ncooldown = "60s"')
    rules = Rules.load(file)
    fired = [e for t in span(0, 2) for e in rules.step([state(t, 5.0), replace(state(t, 5.0), person=2)], t)]
    assert [e.person for e in fired] == [1, 2]


# ---------------------------------------------------------------- the file


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[rule]]\nwhen = 'turn > 1'", "rule 1: name"),
        ("[[rule]]\nname = 'a'", "rule 1: when"),
        ("[[rule]]\nname = 'a'\nwhen = 'turn > 1'\nfro = '2s'", "rule 1: fro is not known: there is .*for"),
        ("[[rule]]\nname = 'a'\nwhen = 'turn > 1'\nfor = '2 hours'", 'rule 1: for should be .* like "500ms", "10s"'),
        ("[[rule]]\nname = 'a'\nwhen = 'turn > 1 for 2 hours'", "'for' should be .* like"),
        ("[[rule]]\nname = 'a'\nwhen = 'turn > 1 for 2s'\nfor = '3s'", "say it once"),
        ("[[rule]]\nname = 'a'\nwhen = 'tun > 1'", r"rule 1 \('a'\): condition 'tun > 1'"),
        (
            "[[rule]]\nname = 'a'\nwhen = 'turn > 1'\narguments = { x = { from = 'words' } }",
            "nothing is called 'words'",
        ),
        ("[[rule]]\nname = 'a'\nwhen = 'turn > 1'\ncall = 'b'\narguments = { call = 'c' }", "no argument .* 'call'"),
        ("[[rule]]\nname = 'a'\nwhen = 'turn > 1'\narguments = { 'x y' = 1 }", "no argument can be called 'x y'"),
        (
            "[[rule]]\nname = 'a'\nwhen = 'turn > 1'\ncall = 'alert'\narguments = { message = '', place = 1 }",
            "'alert' takes no 'place'",
        ),
        ("[[rule]]\nname = 'a'\nwhen = 'turn > 1'\n" * 2, "the name 'a' is taken"),
        ("[[rules]]\nname = 'a'", "only \\[\\[rule\\]\\] tables"),
        ("[[rule]", "no valid TOML"),
        ("x = " + "[" * 5000, "no valid TOML"),
    ],
)
def test_a_wrong_file_is_one_clear_error(tmp_path: Path, text: str, says: str) -> None:
    """File, rule and reason stand in the message."""
    file = write(tmp_path, text)
    gc.collect()  # at the recursion limit, which one of them reaches, finalizers of earlier tests' garbage would fail
    with pytest.raises(ConfigError, match=says) as error:
        Rules.load(file)
    assert str(file) in str(error.value)


def test_a_missing_file_is_told() -> None:
    """Not an empty set of rules."""
    with pytest.raises(ConfigError, match="no rules file"):
        Rules.load(Path("/nowhere/rules.toml"))


def test_a_changed_file_is_taken_up_and_a_broken_one_refused(tmp_path: Path) -> None:
    """Old rules stay in force until the new ones are right."""
    file = write(tmp_path, '[[rule]]\nname = "one"\nwhen = "turn > 0"')
    rules = Rules.load(file)
    assert [e.name for e in rules.step([state(0.0)], 0.0)] == ["one"]

    def rewrite(text: str, stamp: int) -> None:
        file.write_text(text)
        os.utime(file, (stamp, stamp))

    rewrite("[[rule]]\nname = 'two'\nwhen = 'oops'", 1)
    rules.step([], 2.0)
    assert rules.names == ["one"]
    assert rules.error is not None
    assert "oops" in rules.error
    rewrite("[[rule]]\nname = 'two'\nwhen = 'turn > 0'", 2)
    assert [e.name for e in rules.step([state(4.0)], 4.0)] == ["two"]
    assert rules.error is None


# ---------------------------------------------------------------- the shipped rules


def test_shipped_rules_fire_on_what_they_are_for() -> None:
    """Drowsiness (an alert, without a network), lost attention, lasting incongruence; nothing on a calm person."""
    calm = Affect(
        probs={"neutral": 1.0}, label="neutral", valence=0, arousal=0, confidence=0.8, unclear=False, age_ms=0
    )
    assert play(Rules.load(None), [state(t, 0.0, fused=calm, drowsiness=drowsy("alert")) for t in span(0, 30)]) == []
    tired = play(Rules.load(None), [state(t, 0.0, drowsiness=drowsy("drowsy")) for t in span(0, 5)])
    assert [(e.name, e.priority) for e in tired] == [("drowsiness_alert", "alert")]
    away = play(Rules.load(None), [state(t, t) for t in span(0, 6)])
    assert [e.name for e in away] == ["attention_lost"]
    gap = (
        Incongruence(
            between="words_voice", strength=0.95, evidence="pleasant words, but the voice sounds sad", pleasant="words"
        ),
    )
    assert [e.name for e in play(Rules.load(None), [state(t, incongruence=gap) for t in span(0, 3)])] == ["incongruent"]


def test_the_rule_in_the_guide_is_a_rule(tmp_path: Path) -> None:
    """What docs/rules.md shows is read without complaint."""
    guide = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
    file = tmp_path / "rules.toml"
    file.write_text(guide.split("```toml")[1].split("```")[0])
    assert Rules.load(file).names == ["attention_lost"]
