"""Sealing: whatever the state, the envelope keeps its size, and what was not perceived is absent."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import WireError
from edge.types import EMOTIONS, Affect, Attention, Description, Drowsiness, Event, Incongruence, PersonState
from edge.wire import mien_pb2
from edge.wire.check import check, parse_downlink, parse_uplink
from edge.wire.envelope import Sealer
from edge.wire.json_form import from_json, to_cloudevent, to_json
from edge.wire.limits import MAX_DESCRIBED, MAX_ENVELOPE, MAX_STATE, shorten

text = st.text(max_size=400)
unit = st.floats(0, 1)
signed = st.floats(-1, 1)
age = st.floats(0, 1e7)

affects = st.builds(
    Affect,
    probs=st.dictionaries(st.sampled_from(EMOTIONS), unit),
    label=st.sampled_from(EMOTIONS),
    valence=signed,
    arousal=signed,
    confidence=st.none() | unit,
    unclear=st.booleans(),
    age_ms=age,
)
angles = st.floats(-180, 180)
states = st.builds(
    PersonState,
    person=st.integers(0, 1_000),
    t_s=st.floats(0, 1e6),
    turn=st.integers(0, 100_000),
    speaking=st.none() | st.booleans(),
    face=st.none() | affects,
    voice=st.none() | affects,
    fused=st.none() | affects,
    attention=st.none()
    | st.builds(
        Attention,
        head_pose_deg=st.none() | st.tuples(angles, angles, angles),
        gaze_deg=st.none() | st.tuples(angles, angles),
        on_target=st.none() | st.booleans(),
        away_s=st.floats(0, 1e6),
        age_ms=age,
    ),
    drowsiness=st.none()
    | st.builds(
        Drowsiness,
        level=st.sampled_from(["calibrating", "alert", "tired", "drowsy"]),
        perclos=st.none() | unit,
        blink_per_min=st.none() | st.floats(0, 200),
        window_s=st.just(60.0),
        yawning=st.booleans(),
        age_ms=age,
    ),
    incongruence=st.lists(
        st.builds(
            Incongruence,
            between=st.sampled_from(["words_voice", "voice_face", "words_face"]),
            strength=unit,
            evidence=text,
        ),
        max_size=4,
    ).map(tuple),
    cues=st.dictionaries(text, unit, max_size=12),
    trend=st.none() | text,
)
descriptions = st.builds(
    Description,
    person=st.just(1),
    t_s=st.just(0.0),
    turn=st.just(1),
    audio=st.none() | text,
    visual=st.none() | text,
    joint=st.none() | text,
)
events = st.builds(
    Event,
    t_s=st.floats(0, 1e6),
    name=text.filter(bool),
    person=st.none() | st.integers(0, 99),
    arguments=st.dictionaries(text, text | st.booleans() | st.floats(allow_nan=True), max_size=8),
    priority=st.sampled_from(["normal", "alert"]),
)


@given(states)
@settings(max_examples=80)
def test_a_state_alone_keeps_250_bytes(state: PersonState) -> None:
    """Whatever is in it; and it comes back whole from its bytes and from its JSON."""
    envelope = Sealer("a-car-with-a-long-name-0123456789", boot=(1 << 64) - 1).state(state)
    assert envelope.ByteSize() <= MAX_STATE
    assert mien_pb2.Envelope.FromString(envelope.SerializeToString()) == envelope
    assert from_json(to_json(envelope)) == envelope


@given(states, descriptions)
@settings(max_examples=80)
def test_a_described_state_keeps_600_bytes(state: PersonState, description: Description) -> None:
    """The description is shortened last, at a word, and never to invalid UTF-8."""
    envelope = Sealer("d").state(state, description)
    assert envelope.ByteSize() <= (MAX_DESCRIBED if envelope.HasField("description") else MAX_STATE)


@given(states, descriptions, text, st.lists(events, max_size=12))
@settings(max_examples=80)
def test_nothing_is_above_1024_bytes(
    state: PersonState, description: Description, words: str, fired: list[Event]
) -> None:
    """Turns with words, events with arguments, health with many drops."""
    sealer = Sealer("d" * 64)
    turn = sealer.turn("turn_end", 3, state=state, description=description, words=words * 5, language="en" * 40)
    health = sealer.health(dropped={word: 1 << 40 for word in words}, failing=[words] * 9, level=words)
    for envelope in (turn, health, sealer.events(fired, state=state, description=description)):
        assert envelope.ByteSize() <= MAX_ENVELOPE
        assert check(envelope, sealer.device) is None


def test_what_was_not_perceived_is_absent_not_zero() -> None:
    """No face, no voice, no attention: no fields."""
    state = Sealer("d").state(PersonState(person=0, t_s=0.0, turn=0, speaking=None)).state
    for name in ("face", "voice", "fused", "attention", "drowsiness", "speaking"):
        assert not state.HasField(name)
    voice = Affect(
        probs={"neutral": 0.1, "happy": 0.2, "sad": 0.3, "angry": 0.4},
        label="angry",
        valence=-0.5,
        arousal=0.25,
        confidence=None,
        unclear=False,
        age_ms=40.0,
    )
    sealer = Sealer("d", now_s=lambda: 10.5)
    wire = sealer.state(PersonState(person=0, t_s=10.4, turn=0, speaking=True, voice=voice)).state.voice
    assert list(wire.probs_pct) == [10, 20, 30, 40]
    assert (wire.valence, wire.arousal, wire.age_ms) == (-50, 25, 140)
    assert not wire.HasField("confidence_pct")


def test_numbers_run_on_without_gaps_also_over_a_refusal() -> None:
    """seq is 1, 2, 3 … per boot."""
    sealer = Sealer("d")
    assert [sealer.goodbye().seq for _ in range(3)] == [1, 2, 3]
    assert Sealer("d").boot != sealer.boot


@pytest.mark.parametrize("name", ["", "-x", "a/b", "a+b", "#", "ü", "a b", "x" * 65, "a\n"])
def test_a_device_name_is_safe_everywhere(name: str) -> None:
    """It stands in topics, certificates and file names."""
    with pytest.raises(WireError, match="no device name"):
        Sealer(name)


@given(text, st.integers(0, 500))
def test_shortening_keeps_size_and_text(words: str, size: int) -> None:
    """At most `size` bytes, a beginning of the text, marked when cut."""
    short = shorten(words, size)
    assert len(short.encode()) <= max(size, 0)
    if short != words and short:
        assert short.endswith("…")
        assert words.startswith(short[:-1])


def test_shortening_ends_at_a_word() -> None:
    """Where one ends near the limit."""
    assert shorten("she sounds tired and slow", 20) == "she sounds tired…"


@given(st.binary(max_size=300))
@settings(max_examples=400)
def test_any_bytes_parse_or_are_a_wire_error(packet: bytes) -> None:
    """Nothing else is raised by hostile input; nor by hostile JSON."""
    for parse in (parse_uplink, parse_downlink, from_json):
        try:
            parse(packet)
        except WireError:
            continue


@given(st.recursive(st.none() | st.booleans() | st.floats() | text, lambda c: st.lists(c) | st.dictionaries(text, c)))
def test_any_json_parses_or_is_a_wire_error(value: Any) -> None:
    """Wrong types under right names, too."""
    import json

    for document in (value, {"state": value}, {"events": value, "seq": value}, {"words": value}):
        try:
            from_json(json.dumps(document))
        except WireError:
            continue


def test_a_cloudevent_tells_time_only_when_it_is_known() -> None:
    """CloudEvents 1.0 in JSON, with an id that names the envelope."""
    envelope = Sealer("d", boot=255).goodbye()
    envelope.clock_synced, envelope.utc_ms = True, 1_790_000_000_500
    event = to_cloudevent(envelope, "acme")
    assert event["id"] == "00000000000000ff-1"
    assert event["source"] == "mien://acme/d"
    assert event["type"] == "org.mien.v1.goodbye"
    assert event["time"] == "2026-09-21T14:13:20.500000Z"
    envelope.clock_synced = False
    assert "time" not in to_cloudevent(envelope)
    envelope.clock_synced, envelope.utc_ms = True, (1 << 64) - 1  # no such date
    assert "time" not in to_cloudevent(envelope)
    envelope.kind = 77  # type: ignore[assignment]  # of a newer version
    assert to_cloudevent(envelope)["type"] == "org.mien.v1.kind_77"


def test_the_wire_imports_light() -> None:
    """No array, picture, inference, RPC or broker library comes with the contract."""
    code = (
        "import sys, edge.wire.envelope, edge.wire.json_form, edge.wire.topics;"
        "print(*{m.split('.')[0] for m in sys.modules} & {'numpy','cv2','onnxruntime','grpc','paho','pydantic'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_number_that_not_all_count_in_is_refused() -> None:
    """Beyond 2^53 Lua and JSON round, and SQLite stops at 2^63: one such envelope would spoil the record of all."""
    envelope = Sealer("d").goodbye()
    for seq, reason in (
        (1, None),
        ((1 << 53) - 1, None),
        (1 << 53, "device"),
        ((1 << 64) - 1, "device"),
        (0, "device"),
    ):
        envelope.seq = seq
        assert check(envelope, "d") == reason


def test_each_envelope_of_who_agreed_says_so() -> None:
    """That how they were may be kept: states, turns and events alike; otherwise none does."""
    for agreed in (True, False):
        sealer = Sealer("car-7", keep_states=agreed)
        state = PersonState(person=1, t_s=0.0, turn=1, speaking=None)
        envelopes = [sealer.state(state), sealer.turn("turn_end", 1, state=state), sealer.events([], state=state)]
        assert [one.keep_states for one in envelopes] == [agreed] * 3
