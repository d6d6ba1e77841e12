"""Forwarding: turns at once, states seldom, words only where allowed, a full outbox counted and got over."""

from __future__ import annotations

from dataclasses import replace

from edge.errors import OutboxFull
from edge.forward import Forwarder
from edge.health import Health
from edge.moment import Moment
from edge.types import Affect, Event, Observation, PersonState, TurnEnd
from edge.wire import mien_pb2
from edge.wire.envelope import Sealer


def affect(label: str) -> Affect:
    return Affect(probs={label: 1.0}, label=label, valence=0.0, arousal=0.0, confidence=0.9, unclear=False, age_ms=0.0)


def state(t_s: float, label: str = "neutral", *, words: str | None = None) -> PersonState:
    return PersonState(person=1, t_s=t_s, turn=1, speaking=False, fused=affect(label), words=words)


def make(*, forward_words: bool = True) -> tuple[Forwarder, list[mien_pb2.Envelope]]:
    sent: list[mien_pb2.Envelope] = []
    forwarder = Forwarder(Sealer("test"), sent.append, state_every_s=2.0, forward_words=forward_words, language="en")
    return forwarder, sent


def moment(
    t_s: float, *states: PersonState, seen: tuple[Observation, ...] = (), events: tuple[Event, ...] = ()
) -> Moment:
    return Moment(t_s=t_s, states=states, observations=seen, events=events)


def test_an_unchanged_state_is_told_seldom_and_a_change_soon() -> None:
    """Every two seconds; a new label within half a second."""
    forwarder, sent = make()
    for tick in range(40):
        forwarder.moment(moment(tick * 0.1, state(tick * 0.1)))
    assert len(sent) == 2
    forwarder.moment(moment(4.05, state(4.05, "angry")))
    assert len(sent) == 3 or (forwarder.moment(moment(4.6, state(4.6, "angry"))) or len(sent) == 3)


def test_the_end_of_a_turn_carries_state_and_words_unless_words_stay_here() -> None:
    """`forward_words` False keeps what was said on the device; the rest goes."""
    end = TurnEnd(t_s=1.0, probability=0.9, by="model", final=True, speech_end_s=0.8, words="I am fine")
    for allowed in (True, False):
        forwarder, sent = make(forward_words=allowed)
        forwarder.moment(moment(1.0, state(1.0, words="of an earlier turn"), seen=(end,)))
        envelope = next(one for one in sent if one.kind == mien_pb2.TURN_END)
        assert envelope.words == ("I am fine" if allowed else "")
        assert envelope.state.person == 1


def test_late_words_are_sent_for_their_own_turn() -> None:
    """An end whose words are still being read is sent at once and again with them, under the same number; where words
    stay on the device it is sent once, and nothing is said to follow."""
    pending = TurnEnd(t_s=1.0, probability=0.9, by="model", final=True, speech_end_s=0.8, words_pending=True)
    known = replace(pending, words="I am fine", words_pending=False)
    for allowed in (True, False):
        forwarder, sent = make(forward_words=allowed)
        forwarder.moment(moment(1.0, replace(state(1.0), turn=4), seen=(pending,)))
        forwarder.moment(moment(1.1, replace(state(1.1), turn=5), seen=(known,)))
        ends = [one for one in sent if one.kind == mien_pb2.TURN_END]
        assert [(one.turn, one.words_pending, one.words) for one in ends] == (
            [(4, True, ""), (4, False, "I am fine")] if allowed else [(4, False, "")]
        )


def test_a_refusal_of_the_outbox_is_counted_and_perception_goes_on() -> None:
    """A full disk must not stop the loop."""

    def refuse(_envelope: mien_pb2.Envelope) -> None:
        raise OutboxFull("full")

    forwarder = Forwarder(Sealer("test"), refuse, state_every_s=2.0, forward_words=True, language="en")
    forwarder.moment(moment(0.0, state(0.0)))
    assert forwarder.refused == 1
    assert forwarder.envelopes == 0


def test_the_bridge_is_told_what_was_dropped_and_where_holes_are() -> None:
    """Silence and lost sound look alike from there, unless it is told."""
    forwarder, sent = make()
    health = Health(
        t_s=60.0,
        level="",
        rss_mb=None,
        peak_mb=None,
        temperature_c=None,
        failing={},
        dropped={"audio": 32},
        holes={"sound_gaps": 1, "damaged": 0},
    )
    forwarder.health(health)
    assert dict(sent[0].health.dropped) == {"audio": 32, "sound_gaps": 1}


def test_an_alert_is_an_envelope_of_its_own() -> None:
    """An awareness rule that fired reaches the bridge as an alert, not inside the next state."""
    forwarder, sent = make()
    event = Event(t_s=0.0, name="drowsy", person=1, priority="alert")
    forwarder.moment(moment(0.0, state(0.0), events=(event,)))
    assert sent[0].kind == mien_pb2.EVENT
    assert sent[0].priority == mien_pb2.ALERT


def test_a_hall_full_of_people_is_not_remembered_for_ever() -> None:
    """Each face that comes has a number of its own; what was told is known of the last ones alone."""
    forwarder, sent = make()
    for person in range(1, 200):
        forwarder.moment(moment(person, replace(state(person), person=person)))
    assert len(sent) == 199
    assert len(forwarder._told) <= 16
