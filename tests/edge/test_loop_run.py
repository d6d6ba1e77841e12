"""A run of the loop, on a clock of its own: when it looks, reports and ends."""

from __future__ import annotations

import json
import math
from typing import Any, Literal

import pytest

from edge import clock
from edge.answer import Answer
from edge.config import Config
from edge.loop import Loop
from edge.policy import Policy
from edge.senses import Senses
from edge.types import FaceLost, Observation, SpeechActivity


class Played:
    """A loop on a clock of its own, whose senses find what a test says, when it says; `end_s`: then they are over."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *, mode: Literal["off", "affect"] = "affect", consent: bool = False
    ) -> None:
        self.now_s, self.end_s = 0.0, 1.0
        self.finds: list[tuple[float, list[Observation]]] = []
        self.rest: list[Observation] = []
        self.considered: list[tuple[float, list[Observation]]] = []
        self.done: list[str] = []
        self.heeded, self.withdrawn_s = 0, math.inf
        self.lines: list[dict[str, Any]] = []
        settings: dict[str, Any] = {
            "sensors": ["synthetic://"],
            "outputs": [],
            "purpose": {"mode": mode, "consent": consent},
        }
        self.loop = Loop(Config().updated(**settings), listen=lambda line: self.lines.append(json.loads(line)))
        loop, senses = self.loop, self.loop.senses
        monkeypatch.setattr(clock, "now_s", lambda: self.now_s)
        monkeypatch.setattr(Senses, "over", property(lambda _senses: self.now_s >= self.end_s))
        monkeypatch.setattr(senses, "take", self._take)
        monkeypatch.setattr(senses, "flush", lambda: self.rest)
        monkeypatch.setattr(loop, "_consider", lambda given: self.considered.append((self.now_s, list(given))))
        monkeypatch.setattr(loop._consent, "heed", self._heed)
        for owner, names in (
            (senses, ("load", "open", "shut", "close")),
            (loop._answer, ("start", "wait", "close")),
            (loop._forward, ("goodbye", "health")),
            (loop._toolbox, ("close",)),
            (loop, ("_light",)),
        ):
            for name in names:
                called = f"{type(owner).__name__}.{name}"
                monkeypatch.setattr(owner, name, lambda *_, called=called: self.done.append(called))

    def _take(self, timeout_s: float) -> list[Observation] | None:
        if self.finds and self.finds[0][0] <= self.now_s + timeout_s:
            at_s, found = self.finds.pop(0)
            self.now_s = max(self.now_s, at_s)
            return found
        self.now_s += timeout_s + 0.001  # nobody wakes just in time
        return None

    def _heed(self, policy: Policy) -> None:
        self.heeded += 1
        if self.now_s >= self.withdrawn_s:
            self.withdrawn_s = math.inf
            policy.withdraw(1)


SILENCE = SpeechActivity(t_s=1.0, probability=0.5, speaking=False, speech_s=0.0)
SPEECH = SpeechActivity(t_s=1.0, probability=0.5, speaking=True, speech_s=1.0)
LOST = FaceLost(t_s=1.0, person=1)


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    return Played(monkeypatch)


def test_what_changes_is_considered_at_once_with_all_that_waited(played: Played) -> None:
    """In the order in which it came; nothing is considered twice."""
    played.finds = [(0.01, [SILENCE]), (0.02, [SILENCE]), (0.03, [SPEECH]), (0.04, [LOST])]
    played.end_s = 0.05
    played.loop.run()
    assert played.considered[:2] == [(0.03, [SILENCE, SILENCE, SPEECH]), (0.04, [LOST])]
    assert not any(given for _, given in played.considered[2:])


def test_what_goes_on_waits_for_company_but_not_long(played: Played) -> None:
    """So that sound and picture are considered together, thirty times less often; never more than a tenth of a second
    after it was heard."""
    heard_s = [0.02 * step for step in range(1, 6)] + [0.3]
    played.finds = [(at_s, [SILENCE]) for at_s in heard_s]
    played.end_s = 0.5
    played.loop.run()
    considered = [(at_s, len(given)) for at_s, given in played.considered if given]
    assert [count for _, count in considered] == [3, 2, 1]
    waits = [at_s - first_s for (at_s, _), first_s in zip(considered, (0.02, 0.08, 0.3), strict=True)]
    assert max(waits) < 0.1


def test_time_passes_in_an_empty_room(played: Played) -> None:
    """Rules wait for what does not happen: they are asked ten times a second."""
    played.end_s = 0.95
    played.loop.run()
    times = [at_s for at_s, _ in played.considered]
    assert times[:10] == pytest.approx([0.1 * n for n in range(1, 11)], abs=0.011)


def test_what_comes_last_is_considered_before_the_end(played: Played) -> None:
    """Also what goes on, and what hearing still held; then the answer is waited for."""
    played.finds = [(0.99, [SPEECH]), (1.0, [SPEECH])]
    played.rest = [LOST]
    played.loop.run()
    assert [given for _, given in played.considered if given] == [[SPEECH], [SPEECH], [LOST]]
    assert "Answer.wait" in played.done


def test_each_round_heeds_what_the_person_chose(played: Played) -> None:
    """A withdrawal takes effect within a tenth of a second, whatever else happens."""
    played.finds = [(0.01 * step, [SPEECH]) for step in range(50)]
    played.loop.run()
    assert played.heeded >= 50 + 5


def test_it_reports_once_a_second_and_says_so_to_the_bridge(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the first moment on: with what fails of the link and of the outputs, too, and the replies that were lost."""
    monkeypatch.setattr(Answer, "failing", lambda _answer: {"speaker": "unplugged"})
    monkeypatch.setattr(Answer, "dropped", 4)
    played.end_s = 3.5
    played.loop.run()
    reports = [line for line in played.lines if line["type"] == "health"]
    assert [one["t_s"] for one in reports] == pytest.approx([0.1, 1.1, 2.1, 3.1], abs=0.2)
    assert played.done.count("Forwarder.health") == len(reports)
    assert all(one["failing"]["speaker"] == "unplugged" for one in reports)
    assert all(one["dropped"]["replies"] == 4 for one in reports)


@pytest.mark.parametrize(("mode", "opened"), [("affect", ["Senses.open"]), ("off", [])])
def test_all_is_begun_and_ended_in_order(
    monkeypatch: pytest.MonkeyPatch, mode: Literal["off", "affect"], opened: list[str]
) -> None:
    """No sensor is opened before the models are there, and none at all where nothing may be perceived; the last word to
    the bridge comes before the link is closed, and the light goes out as soon as no sensor is open."""
    played = Played(monkeypatch, mode=mode)
    played.loop.run()
    done = [one for one in played.done if one != "Forwarder.health"]
    begun = ["Answer.start", "Senses.load", *opened, "Answer.wait"]
    ended = ["Senses.shut", "Loop._light", "Senses.close", "Toolbox.close", "Forwarder.goodbye", "Answer.close"]
    assert done == begun + ended
    assert played.lines[-1]["type"] == "summary"


def test_a_fault_of_the_loop_closes_everything_all_the_same(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    """A camera must not stay open behind an error."""

    def broken(_timeout_s: float) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(played.loop.senses, "take", broken)
    with pytest.raises(RuntimeError, match="a fault of ours"):
        played.loop.run()
    assert played.done[-6:] == [
        "Senses.shut",
        "Loop._light",
        "Senses.close",
        "Toolbox.close",
        "Forwarder.goodbye",
        "Answer.close",
    ]


def test_people_are_told_when_less_is_read_than_they_were_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the start, and when a person withdraws; not each time that the record is looked at."""
    played = Played(monkeypatch, consent=True)
    played.withdrawn_s = 0.5
    played.loop.run()
    first, second = (line for line in played.lines if line["type"] == "notice")
    assert "estimates mood" in first["text"]
    assert first["reason"] is None
    assert "does not read feelings" in second["text"]
    assert "withdrew" in second["reason"]


def test_whatever_turns_perception_off_closes_the_sensors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also an audit log that can be written no more: a decision that leaves no record takes effect on nobody."""
    played = Played(monkeypatch, consent=True)
    halted: list[float] = []
    monkeypatch.setattr(played.loop.senses, "halt", lambda: halted.append(played.now_s))
    played.withdrawn_s = 0.5
    monkeypatch.setattr(
        played.loop._policy._audit,
        "write",
        lambda what, **_facts: setattr(
            played.loop._policy._audit, "failed", "No space left" if what == "withdrawn" else None
        ),
    )
    played.loop.run()
    assert len(halted) == 1
    assert "No space left" in [line for line in played.lines if line["type"] == "notice"][-1]["reason"]
