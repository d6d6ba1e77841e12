"""What a device perceives with: how it begins and ends, what it leaves out when it must, and what it says of itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile

from edge.config import Config
from edge.ears import Ears
from edge.governor import LADDER
from edge.perceive.hearing import Hearing
from edge.policy import Policy
from edge.senses import Senses
from edge.sensors.base import BLOCK
from edge.types import SAMPLE_RATE, AudioFrame, SpeechActivity, VideoFrame
from tests.sim.wait import until


def senses(*sensors: str, speaking: bool = False, states: list[str] | None = None, **settings: Any) -> Senses:
    config = Config().updated(sensors=list(sensors), **{"outputs": [], "perceive": {"words": False}, **settings})
    found: Senses = Senses(
        config,
        Policy.from_config(config.purpose),
        speaking=lambda: speaking,
        submit=lambda job, *given: job(*given),
        on_state=lambda: states.append(found.sensors[0].state) if states is not None else None,
    )
    return found


@pytest.fixture
def quiet(tmp_path: Path) -> Path:
    """Half a second of silence."""
    soundfile.write(tmp_path / "quiet.wav", np.zeros(8_000, np.float32), 16_000)
    return tmp_path / "quiet.wav"


@pytest.fixture
def opened(quiet: Path) -> Iterator[Senses]:
    found = senses(f"file://{quiet}")
    found.load()
    found.open()
    yield found
    found.shut()
    found.close()


def test_nothing_is_opened_before_hearing_and_sight_are_made(quiet: Path) -> None:
    """A clip must not play to models that load. And when all is closed, neither works on."""
    found = senses(f"file://{quiet}")
    found.load()
    assert found.hearing.ready.is_set()
    assert found.sight.ready.is_set()
    found.close()
    assert found.hearing.join(0.0)
    assert found.sight.join(0.0)


def test_one_to_two_seconds_of_sound_wait_and_one_picture() -> None:
    """What is older is of no use to a conversation, and goes in one piece; of pictures only the newest is."""
    found = senses("synthetic://")
    for seq in range(200):
        found.audio.put(AudioFrame("test", seq, 0.0, np.zeros(BLOCK, np.float32)))
        found.video.put(VideoFrame("test", seq, 0.0, np.zeros((4, 4, 3), np.uint8)))
    assert found.dropped()["audio"] == 200 - len(found.audio)
    waits = [found.audio.take(0.0).seq for _ in range(len(found.audio))]  # type: ignore[union-attr]
    assert 1.0 < len(waits) * BLOCK / SAMPLE_RATE < 2.1
    assert waits == list(range(200 - len(waits), 200))
    assert found.video.take(0.0).seq == 199  # type: ignore[union-attr]
    assert found.dropped()["video"] == 199


def test_it_is_over_with_the_last_input() -> None:
    """The end of one recording is not the end of another."""
    found = senses("synthetic://")
    found.sensors = [Sensor(state="stopped"), Sensor(state="running")]  # type: ignore[list-item]
    assert not found.over
    found.sensors[1].state = "stopped"
    assert found.over


@pytest.mark.parametrize("bridges", [[], ["grpc://127.0.0.1:1"]])
def test_echoes_are_cancelled_where_there_are_replies_to_hear(bridges: list[str]) -> None:
    """Without a bridge the device says nothing; where it should, and cannot, that is told."""
    found = senses("mic://default", outputs=["speaker"], link={"bridges": bridges})
    assert bool(bridges) == (found.ears.canceller is not None or "barge-in" in found.ears.left_out)


@pytest.mark.parametrize("consent", [True, False])
def test_only_what_the_person_agreed_to_is_read(monkeypatch: pytest.MonkeyPatch, consent: bool) -> None:
    """Neither feelings nor words without it, from the first frame on."""
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(Ears, "make", lambda _ears, **wanted: asked.append(wanted))
    monkeypatch.setattr("edge.senses.Sight", lambda **wanted: asked.append(wanted))
    found = senses("synthetic://", purpose={"consent": consent}, perceive={"words": True, "max_people": 2})
    found._make_hearing()
    found._make_sight()
    assert asked == [{"affect": consent, "words": consent}, {"affect": consent, "max_people": 2}]


def test_a_picture_comes_when_sight_wants_one() -> None:
    """It tells after each for how long it wants no other."""
    found = senses("synthetic://")
    assert found.sight._rest is not None
    assert found.sight._rest(SimpleNamespace(rest_s=0.7)) == 0.7  # type: ignore[arg-type]


def test_all_that_was_heard_is_told_before_the_end(opened: Senses, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recording ends; what came before is still looked at, with what hearing still holds, and only then is there no
    more."""
    last = [SpeechActivity(t_s=1.0, probability=0.1, speaking=False, speech_s=0.0)]
    monkeypatch.setattr(Hearing, "finish", lambda _hearing: last)
    assert not opened.over
    until(lambda: opened.over)
    until(lambda: opened.flush() is None and opened.hearing.join(0.1) and opened.sight.join(0.1))
    assert opened.flush() is None, "what was found is not taken yet"
    heard = []
    while (batch := opened.take(0.0)) is not None:
        heard += batch
    assert opened.flush() == last
    assert sum(isinstance(one, SpeechActivity) for one in heard) > 10
    assert opened.broken() == []
    assert opened.dropped() == {"audio": 0, "video": 0, "observations": 0}


def test_an_end_waits_for_hearing_and_for_sight(quiet: Path) -> None:
    """As long as either works, there is more to come."""
    found = senses(f"file://{quiet}")
    for worker, other in ((found.hearing, found.sight), (found.sight, found.hearing)):
        ended = {worker: True, other: False}
        for one, has in ended.items():
            one.join = lambda _timeout_s, has=has: has  # type: ignore[method-assign, misc]
        assert found.flush() is None
    other.join = lambda _timeout_s: True  # type: ignore[method-assign]
    assert found.flush() == []


def test_the_last_batch_is_taken_before_the_end_is_told() -> None:
    """It may come between the last look and the end of its thread; it is the end of the last turn, now and then."""
    found = senses("synthetic://")
    for worker in (found.hearing, found.sight):
        worker.join = lambda _timeout_s: True  # type: ignore[method-assign]
    last = [SpeechActivity(t_s=1.0, probability=0.1, speaking=False, speech_s=0.0)]
    found.found.put(last)
    assert found.flush() is None
    assert found.take(0.0) == last
    assert found.flush() == []


def test_a_recording_that_is_not_there_is_broken_and_a_change_is_told(tmp_path: Path) -> None:
    """Why, and by which address; the light over the camera follows each change."""
    states: list[str] = []
    found = senses(f"file://{tmp_path}/none.wav", states=states)
    found.open()
    until(lambda: found.over)
    (broken,) = found.broken()
    assert "none.wav" in broken.uri
    assert broken.reason
    assert states[-1] == "stopped"
    found.shut()


class Sensor(SimpleNamespace):
    """One that only remembers what it was told."""

    def mute(self) -> None:
        self.told.append("mute")

    def unmute(self) -> None:
        self.told.append("unmute")

    def stop(self) -> None:
        self.told.append("stop")


def test_holes_in_what_came_are_told() -> None:
    """Sound that is missing was not silence: it is counted over every hearing that was made, as what came broken is.

    Where one was made anew nobody heard what came meanwhile.
    """
    found = senses("synthetic://")
    found.sensors = [SimpleNamespace(damaged=2), SimpleNamespace(damaged=1)]  # type: ignore[list-item]
    for start_s in (0.0, 50.0):
        hearing = found.ears.make(affect=False, words=False)
        for t_s in (start_s, start_s + 0.032, start_s + 3.0, start_s + 3.032):
            hearing.feed(AudioFrame("test", 0, t_s, np.zeros(BLOCK, np.float32)))
    assert found.holes() == {"sound_gaps": 2 + 1, "damaged": 3}


def test_only_what_is_live_is_muted() -> None:
    """A recording holds nothing of the room; one live sensor is no reason to leave out the next."""
    found = senses("synthetic://")
    sensors = [Sensor(live=live, told=[]) for live in (True, False, True)]
    found.sensors = sensors  # type: ignore[assignment]
    found.mute(muted=True)
    assert [one.told for one in sensors] == [["mute"], [], ["mute"]]
    found.mute(muted=False)
    assert [one.told for one in sensors] == [["mute", "unmute"], [], ["mute", "unmute"]]


def test_where_nothing_may_be_perceived_a_recording_ends_too() -> None:
    """It holds people as well; and who agrees again must be told first, so it is not to be gone on with."""
    found = senses("synthetic://")
    sensors = [Sensor(live=live, told=[]) for live in (True, False)]
    found.sensors = sensors  # type: ignore[assignment]
    found.halt()
    assert [one.told for one in sensors] == [["mute"], ["stop"]]


@pytest.mark.parametrize(
    ("live", "has_audio", "outputs", "hears"),
    [
        (True, True, ["speaker"], True),
        (True, True, ["led:17", "speaker:hw:0"], True),
        (True, True, ["wav:reply.wav"], False),
        (True, False, ["speaker"], False),
        (False, True, ["speaker"], False),
    ],
)
def test_a_device_hears_itself_by_a_microphone_beside_a_speaker(
    live: bool, has_audio: bool, outputs: list[str], hears: bool
) -> None:
    """A camera hears nothing, a recording not this room, and a file makes no sound."""
    found = senses("synthetic://", outputs=outputs)
    found.sensors = [Sensor(live=live, has_audio=has_audio)]  # type: ignore[list-item]
    assert found.hears_itself is hears


@pytest.mark.parametrize("late", ["hearing", "sight"])
def test_whichever_runs_late_less_is_done(late: str) -> None:
    """And each lateness counts once."""
    found = senses("synthetic://")
    for second in range(3):
        getattr(found, late).latency.add(0.3)
        step = found.spare(float(second), rss_mb=None, temperature_c=None)
    assert step == LADDER[1]
    for second in range(3, 20):
        step = found.spare(float(second), rss_mb=None, temperature_c=None)
    assert step == LADDER[0]


@pytest.mark.parametrize("short", [{"rss_mb": 5000.0, "temperature_c": None}, {"rss_mb": None, "temperature_c": 90.0}])
def test_memory_and_heat_count_as_well(short: dict[str, float | None]) -> None:
    """As the governor is told them."""
    found = senses("synthetic://", memory_mb=1000)
    assert [found.spare(float(second), **short) for second in range(3)][-1] == LADDER[1]


class Told:
    """A detector that keeps what it is tuned to."""

    def device_speaking(self, speaking: bool) -> None:
        self.speaking = speaking

    def words_wanted(self, wanted: bool) -> None:
        self.words = wanted

    def feelings_wanted(self, wanted: bool) -> None:
        self.feelings = wanted

    def set_rate(self, **rate: object) -> None:
        self.rate = rate


@pytest.mark.parametrize("consent", [True, False])
def test_hearing_and_sight_do_what_the_governor_leaves_them(consent: bool) -> None:
    """On each rung, from all to voice alone; and words are read by nobody's leave but the person's."""
    found = senses("synthetic://", speaking=True, purpose={"consent": consent})
    for rung, step in enumerate(LADDER):
        found._governor._rung = rung
        told = Told()
        found._tune_hearing(told)
        found._tune_sight(told)
        assert told.speaking is True
        assert told.words is (step.words and consent)
        assert told.feelings is consent
        assert told.rate == {"frame_hz": step.frame_hz, "expression_hz": step.expression_hz, "on": step.sight}


def test_who_takes_back_consent_is_read_no_more() -> None:
    """Not read and then dropped: hearing and sight are told to read no feelings with the next frame, until they may."""
    found = senses("synthetic://", purpose={"consent": True})
    found._policy.disclose(lambda _notice: None)
    wanted = []
    for change in (lambda: None, lambda: found._policy.withdraw(1), lambda: found._policy.consent(1),
                   found._policy.withdraw_affect):  # fmt: skip
        change()
        hears, sees = Told(), Told()
        found._tune_hearing(hears)
        found._tune_sight(sees)
        assert hears.feelings is sees.feelings
        wanted.append(hears.feelings)
    assert wanted == [True, False, True, False]


def test_what_fails_and_what_is_left_out_is_told_with_its_reason() -> None:
    """Of a sensor, of hearing or sight, of a part: one list."""
    found = senses("synthetic://")
    found.sensors = [
        Sensor(uri="camera://0", state="failing", reason="unplugged"),
        Sensor(uri="camera://1", state="failing", reason=None),
        Sensor(uri="mic://default", state="running", reason="1 packet damaged"),
    ]  # type: ignore[list-item]
    found.sight.failing = "ModelMissing: face"
    found.ears.left_out["words"] = "no model"
    assert found.failing() == {
        "camera://0": "unplugged",
        "camera://1": "failing",
        "sight": "ModelMissing: face",
        "words": "no model",
    }
