"""One conversation: what comes in, what goes out, and what happens when things go wrong. The cloud is simulated."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from benchmarks.simulated_cloud import SimulatedModel, SimulatedVoice
from cloud_bridge.answer import Answer
from cloud_bridge.conversation import Conversation
from cloud_bridge.ingest.base import Device
from cloud_bridge.plan import Report, Tools
from cloud_bridge.providers.base import Message
from cloud_bridge.speech import Speech
from cloud_bridge.tone import TONES
from edge.wire import mien_pb2 as pb
from tests.sim.wait import soon

DEVICE = Device("kitchen", 1)
SAD = pb.State(fused=pb.Affect(probs_pct=[5, 5, 80, 10], valence=-50, arousal=-20, confidence_pct=80))


class RecordingLink:
    def __init__(self) -> None:
        self.replies: list[pb.Reply] = []
        self.final = asyncio.Event()
        self._ids = 0

    def next_reply(self) -> int:
        self._ids += 1
        return self._ids

    async def send(self, reply: pb.Reply) -> None:
        self.replies.append(reply)
        if reply.final:
            self.final.set()

    async def command(self, command: pb.Command) -> None:
        raise AssertionError("no command is expected")

    def texts(self) -> list[str]:
        return [reply.text.text for reply in self.replies if reply.WhichOneof("kind") == "text"]

    def kinds(self) -> list[str | None]:
        return [reply.WhichOneof("kind") for reply in self.replies]


class Stage:
    """A conversation with one device, and what it sent."""

    def __init__(self, model: SimulatedModel, voice: SimulatedVoice | None) -> None:
        self.model = model
        self.link = RecordingLink()
        self.told: list[Report] = []
        speech = Speech(voice) if voice is not None else None
        self.talk = Conversation(Tools(model, speech), lambda _, report: self.told.append(report))

    async def say(self, kind: int, turn: int = 1, words: str = "", **more: Any) -> None:
        await self.talk.received(DEVICE, pb.Envelope(boot=1, turn=turn, kind=kind, words=words, **more))

    async def finished(self) -> list[pb.Reply]:
        await asyncio.wait_for(self.link.final.wait(), 10)
        self.link.final.clear()
        async with asyncio.timeout(5):
            while not any(report.turn == self.link.replies[-1].turn for report in self.told):  # noqa: ASYNC110
                await asyncio.sleep(0.001)  # the report follows once everything is let go
        return self.link.replies

    def held(self) -> Answer:
        """The answer that is being made."""
        answer = self.talk._sessions[DEVICE].answer
        assert answer is not None
        return answer


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage(SimulatedModel(0.01, 0.001), SimulatedVoice(0.001))
    await stage.talk.connected(DEVICE, stage.link)
    yield stage
    await stage.talk.disconnected(DEVICE)


async def other(model: SimulatedModel, voice: SimulatedVoice | None) -> Stage:
    stage = Stage(model, voice)
    await stage.talk.connected(DEVICE, stage.link)
    return stage


async def test_a_turn_is_answered_opening_first(stage: Stage) -> None:
    """Opening, then what the model wrote, each as text, mouth shapes and sound; chunks without gaps; one end."""
    await stage.say(pb.TURN_END, words="My dog died.", state=SAD)
    replies = await stage.finished()
    assert [reply.chunk for reply in replies] == list(range(len(replies)))
    assert [reply.final for reply in replies] == [False] * (len(replies) - 1) + [True]
    assert replies[0].text.opening
    assert replies[0].text.tone == "sad"
    answer, closing = stage.link.texts()[1:]
    assert answer == "This is a simulated first sentence."
    assert closing in TONES["sad"].closings
    assert replies[1].WhichOneof("kind") == "visemes"
    assert replies[2].WhichOneof("kind") == "audio"
    assert {reply.reply for reply in replies} == {1}
    assert replies[-1].WhichOneof("kind") is None
    assert stage.told[0].outcome == "answered"


async def test_sound_and_mouth_shapes_are_on_one_time_line(stage: Stage) -> None:
    """Offsets count from the reply's first sample, without a gap; mouth shapes never go back."""
    await stage.say(pb.TURN_END, words="Hello.")
    replies = await stage.finished()
    at = 0
    for reply in replies:
        if reply.WhichOneof("kind") == "audio":
            assert reply.audio.offset == at
            at += len(reply.audio.pcm16) // 2
    assert at > 0
    starts = [one.at_ms for reply in replies for one in reply.visemes.viseme]
    assert starts == sorted(starts)
    assert starts[-1] < at * 1000 / replies[2].audio.sample_rate


async def test_a_guess_is_sent_only_after_the_turn(stage: Stage) -> None:
    """TURN_MAYBE makes an answer, silently; TURN_END with the same words sends that one."""
    await stage.say(pb.TURN_MAYBE, words="Are you there?")
    held = stage.held()
    await soon(lambda: held._ready)
    assert stage.link.replies == []
    assert len(stage.model.asked) == 1
    await stage.say(pb.TURN_END, words="are you there")
    await stage.finished()
    assert len(stage.model.asked) == 1
    assert stage.told[0].speculative
    assert stage.talk.counts.guesses_wasted == 0


async def test_a_guess_that_does_not_fit_is_dropped_and_counted(stage: Stage) -> None:
    """More words, or another tone: the guess is wasted, and the answer is to what was really said."""
    await stage.say(pb.TURN_MAYBE, words="I want")
    await stage.say(pb.TURN_END, words="I want to go home.")
    await stage.finished()
    assert stage.talk.counts.guesses_wasted == 1
    assert "go home" in stage.model.asked[-1][-1].text
    await stage.say(pb.TURN_MAYBE, turn=2, words="I see")
    await stage.say(pb.TURN_END, turn=2, words="I see", state=SAD)
    await stage.finished()
    assert stage.talk.counts.guesses_wasted == 2
    assert stage.told[-1].tone == "sad"


async def test_speech_after_a_guess_drops_it(stage: Stage) -> None:
    """The person goes on: nothing is sent, the model is stopped, and the loss is counted."""
    stage.model.first_s = 5.0
    await stage.say(pb.TURN_MAYBE, words="So")
    await soon(lambda: stage.model.asked)
    await stage.say(pb.SPEECH_START)
    assert stage.model.stopped == 1
    assert stage.link.replies == []
    assert stage.talk.counts.guesses_wasted == 1


async def test_a_guess_is_not_held_for_ever(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """An end that never comes frees the model's place; where it comes late after all, the turn is answered anew."""
    monkeypatch.setattr("cloud_bridge.answer.HELD_S", 0.05)
    stage.model.first_s = 5.0
    await stage.say(pb.TURN_MAYBE, words="So")
    await soon(lambda: stage.talk.counts.guesses_wasted)
    assert stage.model.stopped == 1
    stage.model.first_s = 0.01
    await stage.say(pb.TURN_END, words="So")
    await stage.finished()
    assert len(stage.model.asked) == 2
    assert stage.link.texts()[-1] == "And here is the second one."
    assert stage.talk.counts.guesses_wasted == 1


async def test_an_end_that_meets_a_guess_giving_up_is_answered(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """No turn is lost between the moment in which a held answer gives up and the one in which it is gone."""
    monkeypatch.setattr("cloud_bridge.answer.HELD_S", 0.05)
    await stage.say(pb.TURN_MAYBE, words="So")
    answer = stage.held()
    await soon(lambda: not answer.held)
    await stage.say(pb.TURN_END, words="So")
    await stage.finished()
    assert stage.told[-1].outcome == "answered"


async def test_a_guess_that_failed_is_asked_anew(stage: Stage) -> None:
    """What went wrong while the person still spoke costs the answer nothing but its lead."""
    answer, stage.model.answer = stage.model.answer, None
    await stage.say(pb.TURN_MAYBE, words="Are you there?")
    held = stage.held()
    await soon(lambda: not held.held)
    stage.model.answer = answer
    await stage.say(pb.TURN_END, words="Are you there?")
    await stage.finished()
    assert stage.told[-1].outcome == "answered"
    assert len(stage.model.asked) == 2


async def test_a_model_without_an_end_is_left(stage: Stage) -> None:
    """A server that knows no limit does not talk for ever."""
    stage.model.answer, stage.model.each_s = "well and " * 2_000, 0.0
    await stage.say(pb.TURN_END, words="Hello.")
    await stage.finished()
    assert 200 < sum(map(len, stage.link.texts())) < 1_500
    assert stage.model.stopped == 1


async def test_who_pauses_often_is_not_guessed_at(stage: Stage) -> None:
    """Where most pauses were no ends the model is asked at the end alone; where they are again, early again."""
    stage.model.first_s = 5.0
    for pause in range(12):
        await stage.say(pb.TURN_MAYBE, words="well " * (pause + 1))
    assert (stage.talk.counts.guesses, stage.talk.counts.guesses_wasted) == (6, 6)
    stage.model.first_s = 0.01
    for turn in range(2, 13):
        await stage.say(pb.TURN_MAYBE, turn=turn, words="Are you there?")
        await stage.say(pb.TURN_END, turn=turn, words="Are you there?")
        await stage.finished()
    assert [report.speculative for report in stage.told] == [False] * 8 + [True] * 3


async def test_cancel_stops_everything_at_once(stage: Stage) -> None:
    """After `cancelled` returns, not one more chunk leaves, and the model's stream is closed."""
    stage.model.each_s = 0.05
    await stage.say(pb.TURN_END, words="Tell me a story.")
    while len(stage.link.replies) < 3:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    await stage.talk.cancelled(DEVICE, 1)
    sent = len(stage.link.replies)
    await asyncio.sleep(0.2)
    assert len(stage.link.replies) == sent
    assert stage.model.stopped == 1
    assert stage.told[0].outcome == "cancelled"
    await stage.say(pb.TURN_END, words="Tell me a story.")  # of the cancelled turn: it came late
    await asyncio.sleep(0.05)
    assert len(stage.link.replies) == sent


async def test_a_newer_turn_replaces_the_answer(stage: Stage) -> None:
    """Two answers never run at once for one device, and each is reported."""
    stage.model.each_s = 0.05
    await stage.say(pb.TURN_END, turn=1, words="One.")
    await asyncio.sleep(0.05)
    stage.model.each_s = 0.001
    await stage.say(pb.TURN_END, turn=2, words="Two.")
    replies = await stage.finished()
    numbers = [reply.turn for reply in replies]
    assert numbers == sorted(numbers)
    assert [(report.turn, report.outcome) for report in stage.told] == [(1, "cancelled"), (2, "answered")]


async def test_every_turn_is_reported_even_when_the_next_comes_at_once(stage: Stage) -> None:
    """A turn that begins in the instant the last answer ends takes nothing from its report."""
    for turn in range(1, 6):
        await stage.say(pb.TURN_END, turn=turn, words="Go.")
        await asyncio.wait_for(stage.link.final.wait(), 10)
        stage.link.final.clear()
    await soon(lambda: len(stage.told) == 5)
    assert [report.outcome for report in stage.told] == ["answered"] * 5


@pytest.mark.parametrize("answer", [None, "", "```python\nprint(1)\n```"])
async def test_a_model_that_fails_leaves_no_silence(answer: str | None) -> None:
    """An error, an empty answer or nothing but code: the tone's own sentence is said, and the failure is labelled."""
    stage = await other(SimulatedModel(0.01, 0.001, answer), SimulatedVoice(0.001))
    await stage.say(pb.TURN_END, words="Help me.", state=SAD)
    replies = await stage.finished()
    assert stage.link.texts()[-1] == TONES["sad"].fallback
    assert replies[-1].WhichOneof("kind") == "failure"
    assert replies[-1].final
    assert stage.told[0].outcome == "fallback"
    assert "Help me" not in replies[-1].failure.reason


async def test_a_silent_model_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that hangs is left after its time, and stopped."""
    monkeypatch.setattr(Tools, "patience_s", 0.1)
    stage = await other(SimulatedModel(60.0), SimulatedVoice(0.001))
    await stage.say(pb.TURN_END, words="Hello?")
    await stage.finished()
    assert stage.told[0].outcome == "fallback"
    assert stage.model.stopped == 1


async def test_a_failing_model_rests(stage: Stage) -> None:
    """After three failures in a row nobody waits for it; the fallback comes without asking."""
    stage.model.answer = None
    for turn in range(1, 6):
        await stage.say(pb.TURN_END, turn=turn, words="Hello.")
        await stage.finished()
    assert len(stage.model.asked) == 3
    assert stage.talk.counts.fallbacks == 5


async def test_without_a_voice_the_text_still_comes() -> None:
    """A voice that fails costs the sound only, and is labelled."""
    stage = await other(SimulatedModel(0.01, 0.001), SimulatedVoice(0.001, fails=True))
    await stage.say(pb.TURN_END, words="Hello.")
    replies = await stage.finished()
    assert len(stage.link.texts()) == 3
    assert "audio" not in stage.link.kinds()
    assert "voice" in replies[-1].failure.reason


async def test_text_only() -> None:
    """Without any voice the answer is text, and nothing has failed."""
    stage = await other(SimulatedModel(0.01, 0.001), None)
    await stage.say(pb.TURN_END, words="Hello.")
    await stage.finished()
    assert stage.link.kinds() == ["text", "text", "text", None]


async def test_it_remembers_what_was_said_and_forgets_on_order(stage: Stage) -> None:
    """The next prompt holds the last exchanges; after `forget` it does not."""
    await stage.say(pb.TURN_END, turn=1, words="I am called Anna.")
    await stage.finished()
    await stage.say(pb.TURN_END, turn=2, words="Who am I?")
    await stage.finished()
    assert any("Anna" in message.text for message in stage.model.asked[-1])
    found = await stage.talk.forget(DEVICE.tenant, DEVICE.id)
    assert found == {"exchanges": 2, "sessions": 1}
    assert await stage.talk.forget(DEVICE.tenant, DEVICE.id) == {"exchanges": 0, "sessions": 1}
    await stage.say(pb.TURN_END, turn=3, words="Who am I?")
    await stage.finished()
    assert not any("Anna" in message.text for message in stage.model.asked[-1])


async def test_what_is_just_being_answered_is_forgotten_too(stage: Stage) -> None:
    """An order to forget one person stops the answer to that person, and nothing of it stays."""
    anna = pb.State(person=1)
    stage.model.each_s = 0.05
    await stage.say(pb.TURN_END, turn=1, words="I am called Anna.", state=anna)
    await soon(lambda: len(stage.link.texts()) >= 2)
    assert (await stage.talk.forget(DEVICE.tenant, DEVICE.id, 1))["exchanges"] == 1
    await stage.say(pb.TURN_END, turn=2, words="Who am I?", state=anna)
    await stage.finished()
    assert not any("Anna" in message.text for message in stage.model.asked[-1])


async def test_a_local_model_reads_what_was_said_while_nobody_waits(stage: Stage) -> None:
    """After an answer, and when the person begins to speak, the chat so far is computed; nothing of it survives an
    order to forget or the end."""
    primed: list[str] = []

    async def prime(messages: Sequence[Message], *, lasting: bool = False) -> None:
        primed.append("".join(one.text for one in messages))
        await asyncio.sleep(5)

    stage.model.continues = True
    stage.model.prime = prime  # type: ignore[method-assign]
    await stage.say(pb.TURN_END, words="I am called Anna.")
    await stage.finished()
    await asyncio.sleep(0)
    assert "Anna" in primed[0]
    assert "This is a simulated first sentence." in primed[0]
    await stage.say(pb.SPEECH_START)
    assert len(primed) == 1, "it is being computed"
    await stage.say(pb.TURN_MAYBE, turn=2, words="Who am I?")
    await asyncio.sleep(0)
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "prime"], "an answer goes first"
    await stage.say(pb.SPEECH_START, turn=2)
    await stage.talk.forget(DEVICE.tenant, DEVICE.id)
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "prime"]
    await stage.say(pb.SPEECH_START)
    await asyncio.sleep(0)
    assert "Anna" not in primed[-1]
    await stage.talk.close()
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "prime"]


async def test_one_person_is_not_told_what_another_said(stage: Stage) -> None:
    """Two people in front of one device have a memory each; the first one's can be erased alone."""
    anna, ben = pb.State(person=1), pb.State(person=2)
    await stage.say(pb.TURN_END, turn=1, words="I am called Anna.", state=anna)
    await stage.finished()
    await stage.say(pb.TURN_END, turn=2, words="I am called Ben.", state=ben)
    await stage.finished()
    assert not any("Anna" in message.text for message in stage.model.asked[-1])
    await stage.say(pb.TURN_END, turn=3, words="Who am I?", state=anna)
    await stage.finished()
    assert any("Anna" in message.text for message in stage.model.asked[-1])
    assert (await stage.talk.forget(DEVICE.tenant, DEVICE.id, 1))["exchanges"] == 2
    await stage.say(pb.TURN_END, turn=4, words="Who am I?", state=ben)
    await stage.finished()
    assert any("Ben" in message.text for message in stage.model.asked[-1])


async def test_the_reply_begins_before_the_words_are_read(stage: Stage) -> None:
    """An end with `words_pending` is answered by its opening at once; the model is asked when the words have come."""
    await stage.say(pb.TURN_END, words_pending=True, state=SAD)
    await soon(stage.link.texts)
    assert stage.model.asked == []
    await stage.say(pb.TURN_END, words="My dog died.", state=SAD)
    replies = await stage.finished()
    assert "My dog died." in stage.model.asked[0][-1].text
    assert len(stage.model.asked) == 1
    assert [reply.chunk for reply in replies] == list(range(len(replies)))
    assert replies[0].text.opening
    assert "words" in stage.told[0].ms


async def test_words_that_never_come_are_asked_for(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the words were lost on the way, the model is asked without them; where the device could not read them,
    at once."""
    monkeypatch.setattr("cloud_bridge.answer.WORDS_S", 0.05)
    await stage.say(pb.TURN_END, words_pending=True)
    await stage.finished()
    assert "could not be made out" in stage.model.asked[0][-1].text
    await stage.say(pb.TURN_END, turn=2, words_pending=True)
    await stage.say(pb.TURN_END, turn=2)
    await stage.finished()
    assert "could not be made out" in stage.model.asked[1][-1].text
    await stage.say(pb.TURN_END, turn=2, words="Too late.")  # the answer is out: it is not made anew
    await asyncio.sleep(0.05)
    assert len(stage.model.asked) == 2


async def test_who_was_cut_short_is_answered_as_a_whole(stage: Stage) -> None:
    """A turn that was taken for ended in a mere pause is joined to what follows; an answered one is not."""
    stage.model.first_s = 5.0
    await stage.say(pb.TURN_END, turn=1, words="I wanted to ask")
    await soon(lambda: stage.model.asked and stage.link.replies)  # the opening is being said
    await stage.talk.cancelled(DEVICE, 1)
    stage.model.first_s = 0.01
    await stage.say(pb.TURN_END, turn=2, words="how you are.")
    await stage.finished()
    assert "I wanted to ask how you are." in stage.model.asked[-1][-1].text
    await stage.say(pb.TURN_END, turn=3, words="And you?")
    await stage.finished()
    assert "wanted" not in stage.model.asked[-1][-1].text


async def test_who_goes_on_as_the_answer_begins_is_answered_as_a_whole(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first words of the answer are out when the person goes on: both halves are one question, without the full
    stop that the recognizer put between them, and what was hardly heard is not remembered. Later it is a new turn."""
    stage.model.each_s = 0.05
    for turn, goes_on_within_s in ((1, 30.0), (3, 0.0)):
        monkeypatch.setattr("cloud_bridge.conversation._CUT_SHORT_S", goes_on_within_s)
        await stage.say(pb.TURN_END, turn=turn, words="We had to put our cat.")
        await soon(lambda: stage.link.texts()[-1:] == ["This is a simulated first sentence."])
        await stage.talk.cancelled(DEVICE, turn)
        await stage.say(pb.TURN_END, turn=turn + 1, words="To sleep today.")
        await stage.finished()
        asked = stage.model.asked[-1]
        assert ("We had to put our cat To sleep today." in asked[-1].text) == (turn == 1)
        assert any("simulated" in one.text for one in asked[:-1]) == (turn == 3)
        stage.link.replies.clear()
        await stage.talk.forget("default", "kitchen")


async def test_speech_while_words_are_awaited_goes_on_with_the_turn(stage: Stage) -> None:
    """The person speaks on before the words were read: that answer is dropped, and late words join the next turn's."""
    await stage.say(pb.TURN_END, turn=1, words_pending=True)
    await stage.say(pb.SPEECH_START, turn=2)
    assert stage.told[0].outcome == "cancelled"
    await stage.say(pb.TURN_END, turn=1, words="Well, I")
    await stage.say(pb.TURN_END, turn=2, words="do not know.")
    await stage.finished()
    assert "Well, I do not know." in stage.model.asked[-1][-1].text


async def test_a_device_that_floods_is_answered_without_the_model(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model is asked so often a minute for one device; beyond that the tone's own sentence is said, and counted."""
    monkeypatch.setattr("cloud_bridge.conversation.TURNS_PER_MIN", 3)
    monkeypatch.setattr("cloud_bridge.conversation.GUESSES_PER_MIN", 2)
    for turn in range(1, 6):
        await stage.say(pb.TURN_MAYBE, turn=turn, words="Hello.")
        await stage.say(pb.TURN_END, turn=turn, words="Hello.")
        await stage.finished()
    assert len(stage.model.asked) == 3
    assert [report.speculative for report in stage.told] == [True, True, False, False, False]
    assert stage.link.texts()[-1] == TONES["plain"].fallback
    assert stage.talk.counts.limited == 2


async def test_memory_is_bounded(stage: Stage) -> None:
    """Thirty long turns leave a short prompt."""
    for turn in range(1, 31):
        await stage.say(pb.TURN_END, turn=turn, words="word " * 200)
        await stage.finished()
        stage.link.replies.clear()
    assert sum(len(message.text) for message in stage.model.asked[-1]) < 8_000


async def test_devices_do_not_share_a_memory(stage: Stage) -> None:
    """What one device heard never reaches another's prompt, nor another tenant's device of the same name."""
    await stage.say(pb.TURN_END, words="The code is tulip.")
    await stage.finished()
    for stranger in (Device("hall", 1), Device("kitchen", 1, tenant="other")):
        link = RecordingLink()
        await stage.talk.connected(stranger, link)
        await stage.talk.received(stranger, pb.Envelope(boot=1, turn=1, kind=pb.TURN_END, words="What is it?"))
        await asyncio.wait_for(link.final.wait(), 10)
        assert not any("tulip" in message.text for message in stage.model.asked[-1])


async def test_history_of_an_earlier_boot_is_not_answered(stage: Stage) -> None:
    """A turn that was kept through a restart of the device is over."""
    await stage.talk.received(DEVICE, pb.Envelope(boot=7, turn=1, kind=pb.TURN_END, words="Hello."))
    await asyncio.sleep(0.05)
    assert stage.link.replies == []


async def test_an_alert_is_spoken_to_unasked_but_not_again_and_again(stage: Stage) -> None:
    """Closed eyes get fixed words at once, without the model, once a minute at most."""
    alert = [pb.Event(name="drowsy", alert=True)]
    await stage.say(pb.EVENT, events=alert)
    await stage.finished()
    assert stage.link.texts() == [TONES["drowsy"].fallback]
    assert stage.model.asked == []
    await stage.say(pb.EVENT, events=alert)
    await asyncio.sleep(0.05)
    assert len(stage.told) == 1


async def test_policy_closes_what_the_model_may_forget(stage: Stage) -> None:
    """In distress the offer of help is always made, after whatever the model wrote."""
    await stage.say(pb.TURN_END, words="I can't do this any more.", state=pb.State(cues_pct={"distress": 90}))
    await stage.finished()
    assert len(stage.model.asked) == 1
    assert stage.link.texts()[-1] in TONES["distress"].closings
    assert len(stage.link.texts()) == 3  # opening, one sentence of the model, closing


async def test_a_small_model_is_not_let_near_distress(stage: Stage) -> None:
    """What a small model might say there could hurt: fixed words only, and nothing has failed."""
    stage.model.small = True
    await stage.say(pb.TURN_END, words="I can't do this any more.", state=pb.State(cues_pct={"distress": 90}))
    replies = await stage.finished()
    assert stage.model.asked == []
    assert stage.link.texts()[-1] in TONES["distress"].closings
    assert replies[-1].WhichOneof("kind") is None


async def test_an_answer_that_is_there_needs_no_opening(stage: Stage) -> None:
    """When the guess was right and quick, the answer itself is the first sound."""
    await stage.say(pb.TURN_MAYBE, words="Are you there?")
    held = stage.held()
    await soon(lambda: held._ready)
    await stage.say(pb.TURN_END, words="Are you there?")
    await stage.finished()
    assert stage.link.texts() == ["This is a simulated first sentence.", "And here is the second one."]


async def test_an_answer_that_is_nearly_there_is_not_held_up(stage: Stage) -> None:
    """Once a quick model has begun to write, an opening would only delay what it says."""
    stage.model.each_s = 0.05
    await stage.say(pb.TURN_MAYBE, words="Are you there?")
    held = stage.held()
    await soon(lambda: held.pieces)
    await stage.say(pb.TURN_END, words="Are you there?")
    await stage.finished()
    assert stage.link.texts()[0] == "This is a simulated first sentence."


class KeepingLink(RecordingLink):
    """Of a device that keeps openings ahead of their turn."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead: list[pb.Opening] = []

    async def command(self, command: pb.Command) -> None:
        self.ahead.append(command.opening)


@pytest.fixture
async def keeping() -> AsyncIterator[Stage]:
    stage = Stage(SimulatedModel(0.05, 0.001), SimulatedVoice(0.001))
    assert stage.talk._tools.speech is not None
    await stage.talk._tools.speech.prepare(["Okay.", "Right.", "Mm.", "Yes."])
    stage.link = KeepingLink()
    await stage.talk.connected(Device("kitchen", 1, keeps_opening=True), stage.link)
    yield stage
    await stage.talk.disconnected(DEVICE)


def ahead(stage: Stage) -> list[pb.Opening]:
    assert isinstance(stage.link, KeepingLink)
    return stage.link.ahead


async def test_the_opening_lies_at_the_device_before_the_turn_ends(keeping: Stage) -> None:
    """A device that can gets it, with its sound, as the person begins to speak; the reply begins with the answer; and
    both are remembered as said."""
    await keeping.say(pb.SPEECH_START)
    (opening,) = ahead(keeping)
    assert opening.turn == 1
    assert opening.text in ("Okay.", "Right.", "Mm.")
    assert len(opening.audio.pcm16) > 1000
    await keeping.say(pb.TURN_END, words="Hello.")
    await keeping.finished()
    assert keeping.link.texts() == ["This is a simulated first sentence.", "And here is the second one."]
    ((_, _, said),) = keeping.talk.memory(DEVICE).exchanges
    assert said.startswith(opening.text)
    await keeping.say(pb.SPEECH_START, turn=2)
    assert ahead(keeping)[-1].text != opening.text


async def test_another_tone_sends_another_opening(keeping: Stage) -> None:
    """What was sent ahead fits the state that is known as the turn ends, and is not sent twice."""
    await keeping.say(pb.SPEECH_START)
    await keeping.say(pb.TURN_MAYBE, words_pending=True)
    assert len(ahead(keeping)) == 1
    await keeping.say(pb.TURN_MAYBE, words="My dog died.", state=SAD)
    assert [one.tone for one in ahead(keeping)] == ["plain", "sad"]


async def test_an_answer_that_is_there_takes_the_opening_back(keeping: Stage) -> None:
    """The answer's first clause came before the turn was over: the device is told to say no opening before it."""
    keeping.model.first_s = 0.0
    await keeping.say(pb.SPEECH_START)
    await keeping.say(pb.TURN_MAYBE, words="Hello.")
    await soon(lambda: len(ahead(keeping)) == 2)
    assert not ahead(keeping)[-1].audio.pcm16
    await keeping.say(pb.TURN_MAYBE, words="Hello.")
    assert len(ahead(keeping)) == 2
    await keeping.say(pb.TURN_END, words="Hello.")
    await keeping.finished()
    assert len(keeping.model.asked) == 1
    assert not keeping.link.replies[0].text.opening


async def test_nothing_is_sent_ahead_for_a_turn_that_is_over(keeping: Stage) -> None:
    """Words that come late, or a turn that was cancelled, bring no opening to the device."""
    await keeping.say(pb.TURN_END, words="Hello.")
    await keeping.say(pb.TURN_MAYBE, words="Hello.")
    await keeping.talk.cancelled(DEVICE, 2)
    await keeping.say(pb.SPEECH_START, turn=2)
    assert ahead(keeping) == []


async def test_reports_hold_no_content(stage: Stage) -> None:
    """What is told about a turn names stages and times; neither words nor answer stand in it."""
    await stage.say(pb.TURN_END, words="secretword", state=SAD)
    await stage.finished()
    text = repr(stage.told)
    assert "secretword" not in text
    assert "simulated first sentence" not in text
    assert {"begun", "released", "first_audio", "model_first", "answer_audio", "done"} <= set(stage.told[0].ms)
