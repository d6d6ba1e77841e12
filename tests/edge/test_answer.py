"""What the device tells of the replies that it plays."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from edge.answer import Answer
from edge.config import Config
from edge.uplink import LinkState
from edge.wire import mien_pb2
from edge.wire.envelope import Sealer


def answer(said: list[dict[str, Any]]) -> Answer:
    """Of a device without a bridge; what it tells goes into `said`."""

    def say(_kind: str, facts: dict[str, Any]) -> None:
        said.append(facts)

    config = Config().updated(outputs=["none"])
    return Answer(config, Sealer("kitchen"), say, out=None, on_command=lambda _: None)


def test_the_first_sound_of_a_reply_is_told_once() -> None:
    """Several threads look whether the device speaks; each turn's first sound is one line, for as long as it runs."""
    said: list[dict[str, Any]] = []
    device = answer(said)
    for turn in range(1, 60):
        device._replies.turn_ended(turn, 0.0)
        sound = mien_pb2.Audio(sample_rate=16_000, pcm16=bytes(2))
        device._reply(mien_pb2.Reply(reply=turn, turn=turn, audio=sound))
        device._reply(mien_pb2.Reply(reply=turn, turn=turn, chunk=1, final=True))
        threads = [threading.Thread(target=lambda: device.speaking) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [facts["turn"] for facts in said if "audio_start_ms" in facts] == list(range(1, 60))
    assert len(device._told_audio) < 20
    device.close()


def test_an_interruption_stops_the_reply_but_not_the_answer_to_itself() -> None:
    """The turn that begins with a barge-in is answered: only replies to turns that are over are stopped."""
    said: list[dict[str, Any]] = []
    device = answer(said)
    sealer = Sealer("kitchen")
    device._turn_moment(sealer.turn("turn_end", 4, speech_end_s=0.0))
    device._reply(mien_pb2.Reply(reply=1, turn=4, text=mien_pb2.Text(text="Once upon a time")))
    device.interrupt()
    device._reply(mien_pb2.Reply(reply=1, turn=4, chunk=1, text=mien_pb2.Text(text="there was a king.")))
    device._reply(mien_pb2.Reply(reply=2, turn=5, text=mien_pb2.Text(text="All right, no story.")))
    assert [facts["text"] for facts in said if "text" in facts] == ["Once upon a time", "All right, no story."]
    device.close()


@pytest.mark.parametrize(("link", "opened"), [("online", ["Okay."]), ("waiting", [])])
def test_an_opening_that_lies_here_is_said_as_the_turn_ends(
    monkeypatch: pytest.MonkeyPatch, link: str, opened: list[str]
) -> None:
    """At once, with its sound; not while the bridge is away, for no answer would follow. The turn's end told again,
    with its words, says nothing again."""
    said: list[dict[str, Any]] = []
    device = answer(said)
    monkeypatch.setattr(Answer, "link", link)
    sound = mien_pb2.Audio(sample_rate=16_000, pcm16=bytes(3200))
    device._command(mien_pb2.Command(opening=mien_pb2.Opening(turn=4, text="Okay.", audio=sound)))
    assert not said
    end = Sealer("kitchen").turn("turn_end", 4, speech_end_s=0.0)
    device._turn_moment(end)
    device._turn_moment(end)
    assert [facts["text"] for facts in said if facts.get("text")] == opened
    assert device.speaking == bool(opened)
    assert [facts["turn"] for facts in said if "audio_start_ms" in facts] == [4] * len(opened)
    device.close()


def test_a_bridge_that_refuses_fails_until_it_is_online(tmp_path: Path) -> None:
    """While the next try is under way it is not told to work again."""
    config = Config().updated(
        outputs=["none"], link={"bridges": ["grpc://127.0.0.1:1"], "outbox": tmp_path / "outbox.sqlite"}
    )
    device = Answer(config, Sealer("kitchen"), lambda *_: None, out=None, on_command=lambda _: None)
    uplink = device._uplink
    assert uplink is not None
    told = []
    for name, reason in (("connecting", ""), ("waiting", "refused"), ("connecting", "refused"), ("online", "")):
        uplink.state = LinkState(name, "grpc://127.0.0.1:1", reason)  # type: ignore[arg-type]
        told.append(device.failing().get("bridge"))
    assert told == [None, "refused", "refused", None]
    device.close()


def test_no_answer_is_waited_for_where_none_can_come(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A recording that is written to the standard output ends when it is over, not a minute later."""
    config = Config().updated(outputs=["none"], link={"bridges": ["stdout://"], "outbox": tmp_path / "outbox.sqlite"})
    sealer = Sealer("kitchen")
    device = Answer(config, sealer, lambda *_: None, out=None, on_command=lambda _: None)
    device.start()
    device.put(sealer.turn("turn_end", 1, words="hello", speech_end_s=0.0))
    assert device._expected_turn == 1
    waits = Waits()
    device.wait(waits)
    device.close()
    assert waits.looks == 1
    assert "hello" in capsys.readouterr().out


class Waits(threading.Event):
    """Counts how often it is waited for, and ends what waits too long."""

    looks = 0

    def wait(self, timeout: float | None = None) -> bool:
        self.looks += 1
        return super().wait(timeout) or self.looks > 40
