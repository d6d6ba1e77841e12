"""The gate: purpose, consent, disclosure, withdrawal, audit; what is not clearly allowed is refused."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.audit import Audit, verify
from edge.config import Purpose
from edge.errors import PolicyError
from edge.path import Path as Path_
from edge.policy import CONTEXTS, MODES, Policy
from edge.rules import Rules
from edge.types import (
    Affect,
    FaceAffect,
    FaceLost,
    FaceSeen,
    Observation,
    PersonState,
    Prosody,
    SpeechActivity,
    TurnEnd,
    VoiceAffect,
    Words,
)

FACE = FaceAffect(t_s=1.0, person=1, probs={"happy": 1.0}, valence=0.5, arousal=0.5, unclear=False)
VOICE = VoiceAffect(t_s=1.0, probs={"happy": 1.0}, valence=0.5, arousal=0.5, listened_s=1, unclear=False)
PROSODY = Prosody(
    t_s=1.0,
    window_s=1,
    pitch_hz=None,
    pitch_slope_st_s=None,
    pitch_range_st=None,
    energy_db=-20,
    rate_hz=None,
    pause_fraction=0,
    voiced_fraction=0,
)
END = TurnEnd(t_s=1.0, probability=1, by="model", final=True, speech_end_s=0.9, words="hello", words_pending=True)
SAID = Words(t_s=1.0, text="hello", final=True, language="en", start_s=0.0, end_s=0.9)
SEEN = FaceSeen(t_s=1.0, person=1, box=(0, 0, 1, 1), presence=0.9)
SOUND = SpeechActivity(t_s=1.0, probability=1, speaking=True, speech_s=1)
FEELING: list[Observation] = [FACE, VOICE, PROSODY]
PLAIN: list[Observation] = [SEEN, SOUND]
AFFECT = Affect(probs={"happy": 1.0}, label="happy", valence=1, arousal=0, confidence=1, unclear=False, age_ms=0)
STATE = PersonState(
    person=1,
    t_s=1.0,
    turn=1,
    speaking=True,
    face=AFFECT,
    voice=AFFECT,
    fused=AFFECT,
    cues={"masking": 1},
    words="hello",
    face_box=(0, 0, 1, 1),
    trend="frustration rising over 3 turns",
    action_units={"smile": 1},
    prosody=PROSODY,
)


def told(*args: object, **kwargs: object) -> Policy:
    policy = Policy(*args, **kwargs)  # type: ignore[arg-type]
    policy.disclose(lambda _text: None)
    return policy


@pytest.mark.parametrize("context", ["workplace", "education"])
def test_work_and_education_refuse_affect(context: str) -> None:
    """Consent does not help there; attention stays possible; the reason is told."""
    policy = told("affect", context=context, consent=True)
    assert policy.mode == "attention_only"
    assert policy.reason is not None
    assert context in policy.reason
    assert policy.filter(FEELING + PLAIN) == PLAIN


@pytest.mark.parametrize("exemption", ["medical", "safety"])
def test_an_exemption_needs_a_justification(exemption: str) -> None:
    """With a reason it opens the gate, without (or with blanks) it does not."""
    wished = {"context": "workplace", "consent": True, "exemption": exemption}
    assert told("affect", **wished).mode == "attention_only"
    assert told("affect", **wished, justification="  ").mode == "attention_only"
    assert told("affect", **wished, justification="crane operators' distress call, DPIA 7").mode == "affect"


@given(
    st.sampled_from(MODES),
    st.sampled_from(CONTEXTS),
    st.sampled_from([None, "medical", "safety"]),
    st.booleans(),
    st.booleans(),
)
def test_affect_needs_consent_everywhere_and_disclosure_always(
    mode: str, context: str, exemption: str | None, consent: bool, tell: bool
) -> None:
    """No combination lets a feeling through without both; none lets anything through untold."""
    policy = Policy(mode, context=context, exemption=exemption, justification="because", consent=consent)  # type: ignore[arg-type]
    if tell:
        policy.disclose(lambda _text: None)
    feelings, plain = policy.filter(FEELING), policy.filter(PLAIN)
    if feelings:
        assert mode == "affect"
        assert consent
        assert tell
        assert context not in ("workplace", "education") or exemption
    if plain:
        assert tell
        assert mode != "off"


def test_a_failed_disclosure_allows_nothing() -> None:
    """When the notice cannot be shown, perception does not begin."""
    policy = Policy("affect", context="personal", consent=True)

    def broken(_text: str) -> None:
        raise OSError("no screen")

    with pytest.raises(OSError, match="no screen"):
        policy.disclose(broken)
    assert policy.filter(FEELING + PLAIN) == []


def test_the_notice_says_what_is_done() -> None:
    """The text follows the mode in force, not the one wished."""
    shown: list[str] = []
    Policy("affect", context="workplace", consent=True).disclose(shown.append)
    assert "does not read feelings" in shown[0]


def test_withdrawal_stops_capture_at_once() -> None:
    """Every device is closed before `withdraw` returns, even when one fails to; nothing is allowed any more."""
    policy = told("affect", context="personal", consent=True)
    closed: list[str] = []

    def stuck() -> None:
        raise RuntimeError("busy")

    policy.on_stop += [stuck, lambda: closed.append("camera"), lambda: closed.append("mic")]
    with pytest.raises(PolicyError, match="unplug"):
        policy.withdraw()
    assert closed == ["camera", "mic"]
    assert policy.mode == "off"
    assert policy.filter(FEELING + PLAIN) == []
    assert policy.redact(STATE) is None


def test_new_consent_after_withdrawal_needs_a_new_notice() -> None:
    """What was told before does not count again."""
    policy = told("affect", context="personal", consent=True)
    policy.withdraw()
    policy.consent()
    assert policy.filter(PLAIN) == []
    policy.disclose(lambda _text: None)
    assert policy.filter(FEELING) == FEELING


def test_one_person_may_withdraw() -> None:
    """Everything of that person is dropped; others are noticed as anybody is who did not consent, for they may be that
    person, who left and came back. The reason is told, the audit log holds it."""
    policy = told("affect", context="personal", consent=True)
    policy.withdraw(1)
    other, feels = replace(SEEN, person=2), replace(FACE, person=2)
    assert policy.filter([FACE, SEEN, other, feels, *FEELING, SAID]) == [other]
    assert policy.redact(STATE) is None
    state = policy.redact(replace(STATE, person=2))
    assert state is not None
    assert (state.face, state.fused, state.words, state.cues) == (None, None, None, {})
    assert policy.mode == "attention_only"
    assert "does not read feelings" in policy.notice
    assert "somebody here withdrew" in str(policy.reason)
    assert "`mien consent give`" in str(policy.reason)
    policy.withdraw(3)
    policy.consent(1)
    assert policy.filter([feels]) == [], "there is one more who does not agree"
    policy.consent(3)
    assert policy.filter([feels, SAID]) == [feels, SAID]


def test_nobody_is_read_who_was_not_told() -> None:
    """A device that began without feelings told people so: somebody's consent does not begin what they do not know of;
    a new notice does."""
    policy = Policy("affect", context="personal", consent=True)
    policy.withdraw(1)
    shown: list[str] = []
    policy.disclose(shown.append)
    assert "does not read feelings" in shown[0]
    assert "What is said" not in shown[0]
    policy.consent(1)
    assert policy.filter([FACE, SAID]) == []
    assert "were not told" in str(policy.reason)
    assert not policy.words
    policy.disclose(shown.append)
    assert "estimates mood" in shown[1]
    assert "What is said" in shown[1]
    assert policy.filter([FACE, SAID]) == [FACE, SAID]


def test_whatever_is_withdrawn_what_was_kept_is_erased() -> None:
    """Of one person, of feelings, of everything; where that fails it is told, and the gate is closed all the same."""
    for withdraw in (lambda one: one.withdraw(1), Policy.withdraw_affect, Policy.withdraw):
        policy, erased = told("affect", context="personal", consent=True), []
        policy.on_withdraw.append(lambda erased=erased: erased.append(1))
        withdraw(policy)
        assert erased == [1]
        policy = told("affect", context="personal", consent=True)
        policy.on_withdraw.append(lambda: {}["full"])
        with pytest.raises(PolicyError, match="KeyError"):
            withdraw(policy)
        assert policy.filter([FACE, VOICE]) == []


def heard(policy: Policy) -> list[str | None]:
    """What is left of the words of SAID, END and STATE."""
    state = policy.redact(STATE)
    texts: list[str | None] = []
    for seen in policy.filter([SAID, END]):
        if isinstance(seen, Words):
            texts.append(seen.text)
        elif isinstance(seen, TurnEnd):
            texts.append(seen.words)
    return [*texts, state.words if state else None]


def test_nothing_that_is_said_is_read_without_consent() -> None:
    """Neither as words, nor in the end of a turn, nor in a state; the end of the turn itself is still noticed."""
    assert heard(told("affect", context="personal")) == [None, None]
    assert heard(told("attention_only", context="personal")) == [None, None]
    assert heard(told("affect", context="personal", consent=True)) == ["hello", "hello", "hello"]
    assert heard(told("off", context="personal", consent=True)) == [None]


def test_where_feelings_are_refused_words_are_read_with_consent() -> None:
    """A device that only talks needs no feelings; people are told that it listens."""
    shown: list[str] = []
    policy = Policy("affect", context="workplace", consent=True)
    policy.disclose(shown.append)
    assert heard(policy) == ["hello", "hello", "hello"]
    assert "What is said may be read" in shown[0]
    Policy("affect", context="workplace").disclose(shown.append)
    assert "What is said" not in shown[1]
    policy.withdraw_affect()
    assert heard(policy) == ["hello", "hello", "hello"]


def test_of_one_who_withdrew_no_word_leaves_by_the_end_of_a_turn() -> None:
    """A voice does not tell whose it is: until they agree again nobody's words are read."""
    policy = told("affect", context="personal", consent=True)
    policy.withdraw(2)
    assert heard(policy) == [None, None]
    policy.consent(2)
    assert heard(policy) == ["hello", "hello", "hello"]
    policy.withdraw()
    assert heard(policy) == [None]


def lived(policy: Policy) -> Path_:
    """Three seconds in which person 1 is seen and heard."""
    path = Path_(policy=policy, rules=Rules.load(None))
    for step in range(30):
        t_s = step / 10
        batch: list[Observation] = [replace(one, t_s=t_s) for one in (SEEN, FACE, SOUND, VOICE)]
        path.step(batch, t_s)
    return path


def test_a_turn_that_ends_after_feelings_were_refused_tells_none(tmp_path: Path) -> None:
    """What was felt before is in the turn's means; neither a state nor what is told of who left passes it on."""
    for here in (True, False):
        policy = told("affect", context="personal", consent=True)
        path = lived(policy)
        policy.withdraw_affect()
        last: list[Observation] = [replace(SEEN, t_s=3.0)] if here else [FaceLost(t_s=3.0, person=1)]
        over = TurnEnd(t_s=3.1, probability=1, by="model", final=True, speech_end_s=2.9)
        events = [*path.step(last, 3.0).events, *path.step([over], 6.0 if not here else 3.1).events]
        (ended,) = (event for event in events if event.name == "turn_end")
        assert {"turn", "speech_s"} <= set(ended.arguments)
        assert not {"valence", "arousal", "session_valence", "incongruence"} & set(ended.arguments)


def test_attention_only_states_hold_no_feeling() -> None:
    """Even a state that was made before the mode changed."""
    state = told("attention_only", context="personal").redact(STATE)
    assert state is not None
    assert (state.face, state.voice, state.fused, state.prosody, state.trend) == (None,) * 5
    assert not state.cues
    assert not state.action_units
    assert state.face_box is not None


def test_unknown_words_are_refused() -> None:
    """A typing error does not open the gate."""
    with pytest.raises(PolicyError, match="no context 'home'"):
        Policy("affect", context="home")
    with pytest.raises(PolicyError, match="no mode 'all'"):
        Policy("all", context="personal")  # type: ignore[arg-type]


def test_settings_become_a_policy(tmp_path: Path) -> None:
    """The [purpose] section says it all, and its start is logged."""
    log = tmp_path / "audit.jsonl"
    Policy.from_config(Purpose(context="workplace", consent=True, audit_log=log))
    entry = json.loads(log.read_text())
    assert (entry["what"], entry["asked"], entry["mode"]) == ("start", "affect", "attention_only")


# ---------------------------------------------------------------- audit log


def test_the_log_is_chained_and_holds_no_content(tmp_path: Path) -> None:
    """Decisions only; changing or removing a line is found."""
    log = tmp_path / "audit.jsonl"
    policy = told("affect", context="personal", consent=True, audit=Audit(log))
    policy.withdraw(1)
    policy.filter([FACE, VOICE])
    assert verify(log) == 3
    assert "happy" not in log.read_text()
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(lines[0] + lines[2])
    with pytest.raises(PolicyError, match="changed before line 2"):
        Audit(log)
    log.write_bytes(lines[0].replace(b"personal", b"vehicle!") + b"".join(lines[1:]))
    with pytest.raises(PolicyError, match="changed before line 2"):
        verify(log)
    log.write_bytes(b"[" * 99_999 + b"\n" + lines[0])
    with pytest.raises(PolicyError, match="changed before line 2"):
        verify(log)


def test_a_torn_last_line_is_kept_and_gone_on_from(tmp_path: Path) -> None:
    """A power cut in mid-write must not keep the device from starting."""
    log = tmp_path / "audit.jsonl"
    Audit(log).write("start")
    with log.open("ab") as handle:
        handle.write(b'{"utc_ms": 17')
    Audit(log).write("start")
    assert verify(log) == 3


def test_a_log_that_cannot_be_written_closes_the_gate(tmp_path: Path) -> None:
    """At the start it is an error; later the mode falls to off."""
    (tmp_path / "folder").mkdir()
    with pytest.raises(PolicyError, match="cannot be written"):
        Audit(tmp_path / "folder")
    with pytest.raises(PolicyError, match="keeps what is written"):
        Audit(Path("/dev/full"))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PolicyError, match=r"cannot be written: .*seekable"):
        Audit(tmp_path / "pipe")
    log = tmp_path / "audit.jsonl"
    policy = told("affect", context="personal", consent=True, audit=Audit(log))
    log.unlink()
    log.mkdir()
    policy.withdraw(3)
    assert policy.mode == "off"
    assert policy.reason is not None
    assert "audit log" in policy.reason
    assert policy.filter(PLAIN) == []


def test_a_withdrawn_person_is_forgotten_and_no_voice_is_read() -> None:
    """Nothing of theirs is told or kept, whatever track they come back as; a voice could be theirs."""
    policy = told("affect", context="personal", consent=True)
    path = lived(policy)
    path.step([TurnEnd(t_s=3.0, probability=1, by="model", final=True, speech_end_s=2.9)], 3.0)
    people = path._people
    assert [turn.person for turn in people.turns.history] == [1]
    policy.withdraw(1)
    batch = [replace(SEEN, t_s=3.1, person=7), replace(FACE, t_s=3.1, person=7), replace(VOICE, t_s=3.1)]
    assert path.step([FaceLost(t_s=3.05, person=1)], 3.05).states == ()
    assert policy.filter([VOICE, PROSODY]) == []
    path.step(batch, 3.1)
    assert not people.turns.history
    assert people._voices == {}
    policy.consent(1)
    assert policy.filter([VOICE]) == [VOICE]


def test_where_everybody_withdrew_nobody_is_known_any_more() -> None:
    """Not what they felt, nor what is usual for them: no turn, voice, face or habit stays behind."""
    policy = told("affect", context="personal", consent=True)
    path = lived(policy)
    path.step([TurnEnd(t_s=3.0, probability=1, by="model", final=True, speech_end_s=2.9)], 3.0)
    people = path._people
    assert people.turns.baseline(1).means
    policy.withdraw()
    assert path.step([replace(SEEN, t_s=3.1)], 3.1).states == ()
    assert not people.turns.history
    assert not people.turns.baseline(1).means
    assert people._voices == {}
    assert len(people._faces) == 0
