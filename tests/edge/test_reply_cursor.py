"""What of the replies has come: the bridge is told, and goes on there after a cut."""

from __future__ import annotations

from edge.reply_cursor import ReplyCursor
from edge.wire import mien_pb2


def chunk(reply: int, number: int, *, final: bool = False, turn: int = 1) -> mien_pb2.Reply:
    return mien_pb2.Reply(reply=reply, chunk=number, final=final, turn=turn)


def test_the_bridge_is_told_at_each_sixteenth_chunk_and_at_the_end() -> None:
    """So that it holds little, and the way up is not filled with what it need not know."""
    cursor = ReplyCursor()
    told = [cursor.take(chunk(1, number, final=number == 19)) for number in range(20)]
    assert [number for number, one in enumerate(told) if one is not None] == [15, 19]
    assert told[15] == mien_pb2.Received(reply=1, chunk=15)
    assert told[19] == mien_pb2.Received(reply=1, chunk=19)


def test_no_chunk_after_a_missing_one_is_told_as_received() -> None:
    """The bridge would forget the missing one."""
    cursor = ReplyCursor()
    assert cursor.take(chunk(1, 0)) is None
    assert cursor.take(chunk(1, 15)) == mien_pb2.Received(reply=1, chunk=0)
    hello = mien_pb2.Hello()
    cursor.resume(hello)
    assert (hello.resume_reply, hello.resume_chunk) == (1, 1)


def test_a_reply_is_heard_once_its_last_chunk_came() -> None:
    """A bridge that takes over does not answer that turn again."""
    cursor = ReplyCursor()
    hello = mien_pb2.Hello()
    cursor.take(chunk(1, 0, turn=7))
    cursor.resume(hello)
    assert hello.heard_turn == 0
    cursor.take(chunk(1, 1, final=True, turn=7))
    cursor.resume(hello)
    assert hello.heard_turn == 7


def test_replies_of_a_new_session_count_on_for_the_device() -> None:
    """A bridge that began anew numbers from one; for whoever plays them an old number would be a doubled chunk."""
    cursor = ReplyCursor()
    cursor.begin(100)
    first = chunk(1, 0, final=True)
    cursor.take(first)
    cursor.begin(200)
    second = chunk(1, 0, final=True)
    cursor.take(second)
    assert second.reply > first.reply
    hello = mien_pb2.Hello()
    cursor.resume(hello)
    assert (hello.resume_session, hello.resume_reply) == (200, 1)
