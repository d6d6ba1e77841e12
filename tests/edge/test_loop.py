"""The loop's own thread: what it may put off, whom it tells what, and when it lets itself be interrupted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edge.answer import Answer
from edge.config import Config
from edge.errors import PluginError
from edge.loop import Loop, check
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
    loop.senses.found.dropped, loop._forward.refused, loop.senses.ears.gaps = 3, 2, 4
    loop._look_after(5.0)
    (report,) = scripted.lines
    assert report["type"] == "health"
    assert report["t_s"] == 5.0
    assert report["level"] == ""
    assert report["failing"] == {"words": "model 'asr' is not there", "hearing": "ValueError: broken"}
    assert report["dropped"] == {"audio": 0, "video": 0, "observations": 3, "envelopes": 2, "replies": 0}
    assert report["holes"] == {"sound_gaps": 4, "damaged": 0}
    assert 0 < report["rss_mb"] <= report["peak_mb"]


def test_each_moment_goes_to_the_bridge(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    """After those who listen here were told: no answer is shown before its question."""
    told: list[str] = []
    scripted.device(speaking=False)
    monkeypatch.setattr(scripted.loop, "_listen", told.append)
    monkeypatch.setattr(scripted.loop._forward, "moment", lambda _moment: told.append("sent"))
    scripted.moment(1.0, states=(PersonState(t_s=1.0, person=1, turn=0, speaking=None),))
    assert len(told) == 2
    assert told[1] == "sent"


@pytest.mark.parametrize("agreed", [True, False])
def test_states_are_kept_by_the_bridge_only_where_the_person_agreed(agreed: bool) -> None:
    """The device says so with each envelope; nothing is kept by default."""
    settings: dict[str, Any] = {"purpose": {"keep_states": True}} if agreed else {}
    loop = Loop(Config().updated(sensors=["synthetic://"], outputs=[], **settings))
    assert loop._sealer.goodbye().keep_states is agreed


def test_a_misspelt_output_is_told_before_anything_begins() -> None:
    """Though it would be opened only with a bridge: the first reply is no time to learn of it."""
    with pytest.raises(PluginError, match="no 'speeker' among the outputs: there is led, none, speaker"):
        check(Config().updated(outputs=["wav:reply.wav", "speeker:2"]))
    check(Config().updated(outputs=["wav:reply.wav", "speaker:2"]))
