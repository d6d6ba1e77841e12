"""Replies: chunks in order, gaps given up in time, nothing late, silence on barge-in."""

from __future__ import annotations

import itertools
import random

import pytest

from edge.errors import OutputError
from edge.replies import GAP_S, Replies
from edge.wire import mien_pb2


class Clock:
    def __init__(self) -> None:
        self.s = 100.0

    def __call__(self) -> float:
        return self.s


class Speaker:
    """An output that remembers."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.shown: list[tuple[str, bool]] = []
        self.stopped = 0

    def play(self, audio: bytes, sample_rate: int) -> None:
        self.heard.append(audio)

    def stop(self) -> None:
        self.stopped += 1

    def show(self, text: str, final: bool) -> None:
        self.shown.append((text, final))


class Broken(Speaker):
    def play(self, audio: bytes, sample_rate: int) -> None:
        raise OutputError("unplugged")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def speaker() -> Speaker:
    return Speaker()


@pytest.fixture
def replies(speaker: Speaker, clock: Clock) -> Replies:
    return Replies([speaker], now_s=clock)


def text(reply: int, chunk: int, *, turn: int = 1, final: bool = False, ttl_ms: int = 0) -> mien_pb2.Reply:
    said = mien_pb2.Text(text=f"{reply}.{chunk}")
    return mien_pb2.Reply(reply=reply, turn=turn, chunk=chunk, final=final, ttl_ms=ttl_ms, text=said)


def audio(reply: int, chunk: int, *, turn: int = 1, ms: int = 1_000) -> mien_pb2.Reply:
    sound = mien_pb2.Audio(sample_rate=16_000, pcm16=bytes(32 * ms))
    return mien_pb2.Reply(reply=reply, turn=turn, chunk=chunk, audio=sound)


def said(speaker: Speaker) -> list[str]:
    return [text for text, _ in speaker.shown if text]


def test_a_screen_is_told_the_end_once_whatever_the_last_chunk_is(replies: Replies, speaker: Speaker) -> None:
    """By the text itself, or, where the reply ends in sound, by an empty one; never before the last chunk."""
    replies.accept(text(1, 0))
    replies.accept(audio(1, 1))
    assert speaker.shown == [("1.0", False)]
    last = audio(1, 2)
    last.final = True
    replies.accept(last)
    assert speaker.shown == [("1.0", False), ("", True)]
    replies.accept(text(2, 0, final=True))
    assert speaker.shown[2:] == [("2.0", True)]


def test_a_screen_is_told_the_end_even_where_the_last_chunk_is_late_or_lost(
    replies: Replies, speaker: Speaker, clock: Clock
) -> None:
    """Else the next reply would go on in the same line."""
    replies.accept(text(1, 0))
    replies.accept(text(2, 0))
    clock.s += GAP_S
    replies.poll()
    assert speaker.shown == [("1.0", False), ("", True), ("2.0", False)]
    replies.accept(text(2, 2, final=True, ttl_ms=500))
    clock.s += GAP_S
    replies.poll()
    assert speaker.shown[3:] == [("", True)]
    assert replies.counts["late"] == 1


def test_chunks_in_any_order_and_doubled_come_out_once_and_in_order(replies: Replies, speaker: Speaker) -> None:
    """Two replies of four chunks, each chunk twice, in 200 random orders after the first chunk."""
    rng = random.Random(1)
    base = 0
    for _ in range(200):
        chunks = [text(base + r, c, final=c == 3) for r in (1, 2) for c in range(4)] * 2
        rng.shuffle(chunks)
        speaker.shown.clear()
        replies.accept(text(base + 1, 0))
        for chunk in chunks:
            replies.accept(chunk)
        assert said(speaker) == [f"{base + r}.{c}" for r, c in itertools.product((1, 2), range(4))]
        base += 2
    assert replies.counts["lost"] == 0


def test_a_missing_chunk_is_waited_for_and_then_given_up(replies: Replies, speaker: Speaker, clock: Clock) -> None:
    """Within GAP_S it may still come; then the rest goes on, the loss is counted, and the latecomer is dropped."""
    replies.accept(text(1, 0))
    replies.accept(text(1, 2))
    clock.s += GAP_S * 0.9
    replies.poll()
    assert said(speaker) == ["1.0"]
    clock.s += GAP_S * 0.2
    replies.accept(text(1, 3, final=True))
    assert said(speaker) == ["1.0", "1.2", "1.3"]
    replies.accept(text(1, 1))
    assert said(speaker) == ["1.0", "1.2", "1.3"]
    assert (replies.counts["lost"], replies.counts["doubled"]) == (1, 1)
    assert not replies.pending


def test_a_chunk_whose_ttl_ran_out_in_a_gap_is_dropped_and_counted(
    replies: Replies, speaker: Speaker, clock: Clock
) -> None:
    """Late is late: it is not said."""
    replies.accept(text(1, 0))
    replies.accept(text(1, 2, ttl_ms=100))
    clock.s += GAP_S + 0.1
    replies.poll()
    assert said(speaker) == ["1.0"]
    assert replies.counts["late"] == 1


def test_barge_in_is_silence_at_once_and_for_good(replies: Replies, speaker: Speaker, clock: Clock) -> None:
    """After cancel(turn) no chunk of that turn is played, whenever it comes; the next turn's reply is."""
    replies.accept(audio(1, 0))
    assert replies.speaking
    replies.accept(audio(1, 2))
    replies.cancel(1)
    assert speaker.stopped == 1
    assert not replies.speaking
    replies.accept(audio(1, 1))
    replies.accept(audio(1, 3))
    assert len(speaker.heard) == 1
    replies.accept(audio(2, 0, turn=2))
    assert len(speaker.heard) == 2
    assert replies.counts["cancelled"] == 3


def test_speaking_lasts_as_long_as_the_sound(replies: Replies, clock: Clock) -> None:
    """Queued sound adds up; a pause between chunks starts anew."""
    replies.accept(audio(1, 0, ms=500))
    replies.accept(audio(1, 1, ms=500))
    clock.s += 0.9
    assert replies.speaking
    clock.s += 0.2
    assert not replies.speaking
    replies.accept(audio(1, 2, ms=500))
    clock.s += 0.4
    assert replies.speaking


def test_the_wait_from_speech_end_to_first_sound_is_measured(replies: Replies, clock: Clock) -> None:
    """Once per turn, on the device's monotonic clock."""
    replies.turn_ended(1, clock.s)
    clock.s += 0.35
    replies.accept(text(1, 0))
    replies.accept(audio(1, 1))
    clock.s += 1
    replies.accept(audio(1, 2))
    assert replies.first_audio_ms == {1: pytest.approx(350)}


def test_an_output_that_fails_does_not_silence_the_others(clock: Clock) -> None:
    """It is counted; the rest plays."""
    speaker = Speaker()
    replies = Replies([Broken(), speaker], now_s=clock)
    replies.accept(audio(1, 0))
    assert len(speaker.heard) == 1
    assert replies.counts["output_failed"] == 1


def test_what_outputs_do_not_take_goes_to_the_listener_in_order(clock: Clock) -> None:
    """Visemes, actions, video, failures."""
    others: list[mien_pb2.Reply] = []
    replies = Replies([], others.append, now_s=clock)
    action = mien_pb2.Reply(reply=1, chunk=1, final=True, action=mien_pb2.Action(name="nod"))
    replies.accept(mien_pb2.Reply(reply=1, chunk=0, visemes=mien_pb2.Visemes()))
    replies.accept(action)
    assert [one.chunk for one in others] == [0, 1]


def test_a_hostile_flood_of_chunks_is_bounded(replies: Replies) -> None:
    """A bridge that leaves a gap and goes on for ever does not fill the memory."""
    replies.accept(text(1, 0))
    for chunk in range(2, 5_000):
        replies.accept(text(1, chunk))
    assert replies.counts["overflow"] > 4_000
