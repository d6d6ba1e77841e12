"""The loop's own thread: what it may put off, whom it tells what, and when it lets itself be interrupted."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest

from edge import clock
from edge.answer import Answer
from edge.config import Config
from edge.loop import Loop
from edge.moment import Moment
from edge.senses import Senses
from edge.types import Event, FaceLost, Observation, PersonState, SpeechActivity


def _sound(*, speaking: bool, speech_s: float | None = None) -> SpeechActivity:
    lasts_s = float(speaking) if speech_s is None else speech_s
    return SpeechActivity(t_s=1.0, probability=0.5, speaking=speaking, speech_s=lasts_s)


class Scripted:
    """A loop whose moments a test writes; what it tells is kept."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lines: list[dict[str, Any]] = []
        self.watched: list[Moment] = []
        self.interrupted = 0
        self.loop = Loop(
            Config(sensors=["synthetic://"], outputs=[]),
            listen=lambda line: self.lines.append(json.loads(line)),
            watch=self.watched.append,
        )
        self._monkeypatch = monkeypatch
        monkeypatch.setattr(Answer, "interrupt", lambda _answer: self._interrupt())

    def device(self, *, speaking: bool, hears_itself: bool = False, cleaned: bool = False) -> None:
        self._monkeypatch.setattr(Answer, "speaking", speaking)
        self._monkeypatch.setattr(Senses, "hears_itself", hears_itself)
        self._monkeypatch.setattr(self.loop.senses.ears, "canceller", object() if cleaned else None)

    def moment(self, t_s: float, *observations: Observation, **more: Any) -> None:
        moment = Moment(t_s=t_s, observations=observations, **more)
        self._monkeypatch.setattr(self.loop._path, "step", lambda _observations, _now_s: moment)
        self.loop._consider(observations)

    def _interrupt(self) -> None:
        self.interrupted += 1


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    return Scripted(monkeypatch)


def test_only_sound_that_changes_nothing_may_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Speech that begins or ends, anything else that is observed, and a barge-in are considered at once."""
    loop = Loop(Config(sensors=["synthetic://"], outputs=[]))
    assert loop._goes_on([_sound(speaking=False)] * 4)
    assert not loop._goes_on([_sound(speaking=True)])
    assert loop._goes_on([_sound(speaking=True)])
    assert not loop._goes_on([_sound(speaking=True), FaceLost(t_s=1.0, person=1)])
    assert not loop._goes_on([_sound(speaking=False)])
    assert not loop._goes_on([_sound(speaking=False), _sound(speaking=True)])
    monkeypatch.setattr(Answer, "speaking", True)
    assert not loop._goes_on([_sound(speaking=True)])


def test_who_speaks_while_the_device_does_interrupts_it(scripted: Scripted) -> None:
    """A tenth of a second of speech does; a shorter one may be a click, and in silence there is nothing to stop."""
    scripted.device(speaking=True)
    scripted.moment(1.0, _sound(speaking=True, speech_s=0.09), _sound(speaking=False, speech_s=0.0))
    scripted.moment(1.1, _sound(speaking=False, speech_s=5.0))
    scripted.moment(1.2, FaceLost(t_s=1.2, person=1))
    assert scripted.interrupted == 0
    scripted.moment(1.3, FaceLost(t_s=1.3, person=1), _sound(speaking=True, speech_s=0.1))
    assert scripted.interrupted == 1
    scripted.device(speaking=False)
    scripted.moment(1.4, _sound(speaking=True))
    assert scripted.interrupted == 1


def test_a_device_that_would_hear_itself_speaks_on(scripted: Scripted) -> None:
    """Where its speaker reaches its microphone, and nothing takes its voice out again."""
    scripted.device(speaking=True, hears_itself=True)
    for t_s in (1.0, 3.0, 60.0):
        scripted.moment(t_s, _sound(speaking=True))
    assert scripted.interrupted == 0


def test_an_echo_canceller_learns_at_the_start_of_each_reply(scripted: Scripted) -> None:
    """What is heard in the first 0.7 s may be the device; from then on it is a person. So again with the next reply."""
    for begin_s in (10.0, 20.0):
        scripted.interrupted = 0
        scripted.device(speaking=True, hears_itself=True, cleaned=True)
        scripted.moment(begin_s)
        scripted.moment(begin_s + 0.69, _sound(speaking=True))
        assert scripted.interrupted == 0
        scripted.moment(begin_s + 0.71, _sound(speaking=True))
        assert scripted.interrupted == 1
        scripted.device(speaking=False, hears_itself=True, cleaned=True)
        scripted.moment(begin_s + 1.0, _sound(speaking=True))


def test_without_a_speaker_nothing_has_to_be_learned(scripted: Scripted) -> None:
    """A device whose reply is shown, or kept in a file, is interrupted at once."""
    scripted.device(speaking=True, hears_itself=False, cleaned=True)
    scripted.moment(1.0, _sound(speaking=True))
    assert scripted.interrupted == 1


def test_states_are_told_ten_times_a_second_and_events_at_once(scripted: Scripted) -> None:
    """Who watches on this device gets every moment; who reads its stream, no more than it can use."""
    scripted.device(speaking=False)
    state = PersonState(t_s=0.0, person=1, turn=0, speaking=None)
    for step in range(6):
        scripted.moment(10.0 + 0.04 * step, states=(state,))
    assert [line["type"] for line in scripted.lines] == ["state"] * 2  # at 10.00 and 10.12
    scripted.moment(10.21, states=(state,), events=(Event(t_s=10.21, name="speech_start", person=1),))
    assert [line["type"] for line in scripted.lines[2:]] == ["state", "event"]
    scripted.moment(10.3, states=(state,))
    assert len(scripted.lines) == 4, "an event brings the states along, so the next wait begins there"
    assert [round(100 * moment.t_s) for moment in scripted.watched] == [1000, 1004, 1008, 1012, 1016, 1020, 1021, 1030]


def test_the_first_observation_is_what_ends_the_start(scripted: Scripted) -> None:
    """A step in which nothing was observed is none."""
    scripted.device(speaking=False)
    scripted.moment(1.0)
    assert scripted.loop.summary._first_s is None
    scripted.moment(1.1, FaceLost(t_s=1.1, person=1))
    assert scripted.loop.summary._first_s is not None


def test_a_report_each_second_tells_what_fails_and_what_was_lost(scripted: Scripted) -> None:
    """Of sensors, hearing and sight, of parts left out and of the link, in one place."""
    loop = scripted.loop
    loop.senses.ears.left_out["words"] = "model 'asr' is not there"
    loop.senses.hearing.failing = "ValueError: broken"
    loop.senses.found.dropped, loop._forward.refused = 3, 2
    loop._look_after(5.0)
    (report,) = scripted.lines
    assert report["type"] == "health"
    assert report["t_s"] == 5.0
    assert report["level"] == ""
    assert report["failing"] == {"words": "model 'asr' is not there", "hearing": "ValueError: broken"}
    assert report["dropped"] == {"audio": 0, "video": 0, "observations": 3, "envelopes": 2, "replies": 0}
    assert 0 < report["rss_mb"] <= report["peak_mb"]


class Played:
    """A loop on a clock of its own, whose senses find what a test says, when it says; `end_s`: then they are over."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, mode: Literal["off", "affect"] = "affect") -> None:
        self.now_s, self.end_s = 0.0, 1.0
        self.finds: list[tuple[float, list[Observation]]] = []
        self.rest: list[Observation] = []
        self.considered: list[tuple[float, list[Observation]]] = []
        self.done: list[str] = []
        self.heeded = 0
        self.lines: list[dict[str, Any]] = []
        settings: dict[str, Any] = {"sensors": ["synthetic://"], "outputs": [], "purpose": {"mode": mode}}
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

    def _heed(self, _policy: object) -> None:
        self.heeded += 1


SILENCE, SPEECH, LOST = _sound(speaking=False), _sound(speaking=True), FaceLost(t_s=1.0, person=1)


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


def test_each_moment_goes_to_the_bridge(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    """After those who listen here were told: no answer is shown before its question."""
    told: list[str] = []
    scripted.device(speaking=False)
    monkeypatch.setattr(scripted.loop, "_listen", told.append)
    monkeypatch.setattr(scripted.loop._forward, "moment", lambda _moment: told.append("sent"))
    scripted.moment(1.0, states=(PersonState(t_s=1.0, person=1, turn=0, speaking=None),))
    assert len(told) == 2
    assert told[1] == "sent"
