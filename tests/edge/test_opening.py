"""The opening that the bridge sends ahead: said as its turn ends, once, and never where nobody waits for it."""

from __future__ import annotations

from edge.opening import KeptOpening
from edge.wire import mien_pb2 as pb


def opening(turn: int, text: str = "Okay.", sound: bytes = b"\x01\x00") -> pb.Opening:
    audio = pb.Audio(sample_rate=16_000, pcm16=sound)
    return pb.Opening(turn=turn, text=text, tone="plain", audio=audio, visemes=pb.Visemes(viseme=[pb.Viseme()]))


def test_it_is_said_as_its_turn_ends_and_only_then() -> None:
    """Nothing before; then text, mouth shapes, sound; the turn's end told again, as its words come, says nothing."""
    kept = KeptOpening()
    assert kept.keep(opening(3)) == []
    said = kept.end(3)
    assert [one.WhichOneof("kind") for one in said] == ["text", "visemes", "audio"]
    assert {one.turn for one in said} == {3}
    assert said[0].text.opening
    assert kept.end(3) == []


def test_the_newest_takes_the_place_of_the_one_before() -> None:
    """Another tone, another opening; one without sound takes it back."""
    kept = KeptOpening()
    kept.keep(opening(3, "Okay."))
    kept.keep(opening(3, "Oh!"))
    assert kept.end(3)[0].text.text == "Oh!"
    kept.keep(opening(4))
    kept.keep(opening(4, "", b""))
    assert kept.end(4) == []


def test_one_that_comes_too_late_is_said_at_once_but_not_twice() -> None:
    """The turn ended while it was under way: it is said as it comes; one that replaces what was said is not."""
    kept = KeptOpening()
    assert kept.end(3) == []
    assert kept.keep(opening(3)) != []
    assert kept.keep(opening(3, "Oh!")) == []


def test_nothing_is_said_for_another_turn_or_after_a_barge_in() -> None:
    """What was sent for one turn opens no other; who interrupted hears nothing of what was kept."""
    kept = KeptOpening()
    kept.keep(opening(3))
    assert kept.end(4) == []
    kept.keep(opening(5))
    kept.drop(5)
    assert kept.end(5) == []
    assert kept.keep(opening(5)) == []
