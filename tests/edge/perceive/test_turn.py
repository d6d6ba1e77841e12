"""When a turn is over, by rule."""

import math
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace

import numpy as np
import pytest

from edge.perceive.speech import CHUNK, Chunk, SpeechGate
from edge.perceive.turn import TurnTaking, at_once
from edge.types import AudioFrame, TurnEnd, Words
from models.asr import Transcript
from tests.edge.perceive.test_speech import LoudIsSpeech, scripted
from tests.sounds import frames

SPEECH, SILENCE = [0.9], [0.0]


def seconds(kind: list[float], time_s: float) -> list[float]:
    return kind * round(time_s * 16_000 / CHUNK)


class Ear:
    """A judge and a listener that count what they are asked and answer as scripted; `mark`: how likely the recognizer
    finds the mark that closes a text."""

    def __init__(self, *probabilities: float, texts: tuple[str | None, ...] = ("hello",), mark: float = 0.95) -> None:
        self.probabilities, self.texts, self.mark = list(probabilities), list(texts), mark
        self.judged: list[np.ndarray] = []
        self.heard: list[np.ndarray] = []

    def judge(self, sound: np.ndarray) -> float:
        self.judged.append(sound)
        return self.probabilities[min(len(self.judged), len(self.probabilities)) - 1]

    def listen(self, sound: np.ndarray) -> Transcript | None:
        self.heard.append(sound)
        text = self.texts[min(len(self.heard), len(self.texts)) - 1]
        return None if text is None else Transcript(text, (math.log(0.8), math.log(self.mark), 0.0), closed=True)


def turns(ear: Ear, *, words: bool = True, submit=at_once) -> TurnTaking:
    taking = TurnTaking(ear.judge, language="en", submit=submit)
    taking.listen = ear.listen if words else None
    return taking


def heard(taking: TurnTaking, chunks: list[Chunk]) -> list[Words | TurnEnd]:
    return [found for chunk in chunks for found in taking.feed(chunk)]


def test_a_likely_end_is_told_early_and_becomes_final():
    """The first silence after a likely sentence: speculative; 0.38 s: final; each with its words before it."""
    ear = Ear(0.5)
    found = heard(turns(ear), scripted([*seconds(SILENCE, 1), *seconds(SPEECH, 1), *seconds(SILENCE, 3)]))
    assert [type(one) for one in found] == [Words, TurnEnd, Words, TurnEnd]
    early, end = found[1], found[3]
    assert (early.final, end.final, early.by, end.by) == (False, True, "model", "model")
    assert 0.06 <= early.t_s - early.speech_end_s <= 0.1
    assert 0.38 <= end.t_s - end.speech_end_s <= 0.412
    assert (early.words, end.words, end.words_pending) == ("hello", "hello", False)
    assert (found[0].final, found[2].final, found[2].text, found[2].language) == (False, True, "hello", "en")
    assert found[2].avg_logprob == pytest.approx((math.log(0.8) + math.log(0.95)) / 3)
    assert len(ear.heard) == 1  # once per pause, however long it lasts


def test_a_sure_end_is_final_at_once():
    """What surely is over needs no further silence: the speculative end and the final one come together."""
    for sure, words in ((0.9, False), (0.95, True)):
        ear = Ear(sure, texts=("Hello.",))
        found = heard(turns(ear, words=words), scripted([*seconds(SPEECH, 1), *seconds(SILENCE, 3)]))
        assert [one.final for one in found if isinstance(one, TurnEnd)] == [False, True]
        assert found[-1].t_s - found[-1].speech_end_s <= 0.264
        assert len(ear.judged) == 1


def test_a_voice_that_comes_down_makes_a_likely_end_sure(monkeypatch):
    """A sentence ends low, a hesitation stays up: the same probability ends the turn at once, or at 0.38 s. It tells
    nothing where no whole sentence stands beside it."""
    for fall, words, least_s in ((2.0, True, 0.19), (-1.0, True, 0.38), (None, True, 0.38), (2.0, False, 0.38)):
        monkeypatch.setattr("edge.perceive.turn.fall_st", lambda sound, fall=fall: fall)
        found = heard(
            turns(Ear(0.55, texts=("Hello.",)), words=words), scripted([*seconds(SPEECH, 1), *seconds(SILENCE, 3)])
        )
        assert least_s <= found[-1].t_s - found[-1].speech_end_s <= least_s + 0.07, fall


@pytest.mark.parametrize(
    ("text", "mark", "least_s"),
    [("I miss it.", 0.99, 0.19), ("I miss it.", 0.7, 0.38), ("I miss it", 0.99, 0.38), ("I miss every.", 0.99, 0.7)],
)
def test_a_full_stop_that_the_recognizer_doubts_makes_no_sure_end(text, mark, least_s):
    """The recognizer closes broken-off words, too, but is less sure of it. Nor is an end sure without a full stop, or
    behind a word that is seldom the last: that takes 0.7 s."""
    found = heard(turns(Ear(0.9, texts=(text,), mark=mark)), scripted([*seconds(SPEECH, 1), *seconds(SILENCE, 3)]))
    assert least_s <= found[-1].t_s - found[-1].speech_end_s <= least_s + 0.07


def test_an_unsure_end_is_judged_again_as_the_silence_grows():
    """The same silence that a person hears counts: what sounded unfinished at first may be over at 0.4 s."""
    ear = Ear(0.1, 0.1, 0.95)
    found = heard(turns(ear, words=False), scripted([*seconds(SPEECH, 1), *seconds(SILENCE, 3)]))
    assert [one.final for one in found] == [False, True]
    assert 0.38 <= found[-1].t_s - found[-1].speech_end_s <= 0.42
    assert len(ear.judged[2]) > len(ear.judged[0])


def test_words_that_break_off_hold_the_turn_open():
    """However finished it sounds, nobody ends with "by the"; and words that stand make a likely end of a weak one."""
    open_end = heard(turns(Ear(0.95, texts=("Kids are talking by the.",))), scripted(seconds(SPEECH, 1)))
    assert open_end == []
    script = [*seconds(SPEECH, 1), *seconds(SILENCE, 3)]
    ends = [one for one in heard(turns(Ear(0.95, texts=("Dogs are sitting by the.",))), scripted(script))]
    assert [(one.by, one.final) for one in ends if isinstance(one, TurnEnd)] == [("silence", True)]
    ends = [one for one in heard(turns(Ear(0.2, texts=("Dogs are sitting by the door.",))), scripted(script))]
    assert [(one.by, one.final) for one in ends if isinstance(one, TurnEnd)] == [("model", False), ("model", True)]


@pytest.mark.parametrize(
    ("text", "mark", "least_s"),
    [
        ("I miss the train.", 0.95, 0.5),
        ("The food was really.", 0.95, 0.7),
        ("I miss the.", 0.95, 1.6),
        ("I miss the train.", 0.7, 1.0),
        ("I miss the train", 0.95, 1.6),
        ("I miss the train, um.", 0.95, 1.6),
    ],
)
def test_a_whole_sentence_waits_less(text, mark, least_s):
    """However it sounded, a sentence that the recognizer closes with a full stop ends the turn after 0.5 s; 0.7 s where
    its last word seldom is one, 1.0 s where the recognizer doubts the full stop, too; a filler leaves it open."""
    ear = Ear(0.01, texts=(text,), mark=mark)
    found = heard(turns(ear), scripted([*seconds(SPEECH, 1), *seconds(SILENCE, 3)]))
    ends = [one for one in found if isinstance(one, TurnEnd)]
    assert (ends[-1].by, ends[-1].final) == ("silence", True)
    assert least_s <= ends[-1].t_s - ends[-1].speech_end_s <= least_s + 0.032


def test_the_turn_is_read_and_judged_in_the_first_silence():
    """Both begin after two chunks; the network is given the 0.2 s of silence that it knows, drawn out of what there is.
    Neither is asked again for the same pause."""
    ear = Ear(0.9)
    heard(turns(ear), scripted([*seconds(SILENCE, 1), *seconds(SPEECH, 1), *seconds(SILENCE, 1)]))
    assert (len(ear.heard), len(ear.judged)) == (1, 1)
    assert len(ear.heard[0]) / 16_000 == pytest.approx(0.5 + 1 + 0.064, abs=0.02)
    assert len(ear.judged[0]) / 16_000 == pytest.approx(0.5 + 1 + 0.2, abs=0.02)
    assert ear.judged[0][-1000:].max() == 0.0


def lingering(*, quiet: bool) -> list[Chunk]:
    """A second of speech, 0.13 s that the detector alone calls speech, and silence."""
    chunks = scripted([*seconds(SPEECH, 1), *[0.6, 0.5, 0.4, 0.36], *seconds(SILENCE, 1)])
    spoken = len(seconds(SPEECH, 1))
    noise = np.random.default_rng(1).normal(0, 0.1, CHUNK).astype(np.float32)
    loud = [n < spoken + (0 if quiet else 4) for n in range(len(chunks))]
    return [replace(chunk, samples=noise * (1.0 if one else 0.001)) for chunk, one in zip(chunks, loud, strict=True)]


def test_a_voice_that_has_died_away_is_read_before_the_detector_lets_go():
    """The level tells the pause sooner; what is asked then stays asked while the detector lingers, and only once."""
    for quiet, read_s in ((True, 1.064), (False, 1.0 + 0.128 + 0.064)):
        ear, told = Ear(0.95), []
        taking = turns(ear)
        for chunk in lingering(quiet=quiet):
            told += [(chunk.end_s, one) for one in taking.feed(chunk)]
        assert (len(ear.heard), len(ear.judged)) == (1, 1)
        first_s, _ = told[0]
        assert first_s == pytest.approx(read_s, abs=0.04)
        final = told[-1][1]
        assert isinstance(final, TurnEnd)
        assert final.final
        assert final.speech_end_s == pytest.approx(1.0 + 0.128, abs=0.033)


def test_a_detector_that_lingers_long_does_not_hold_the_turn_up():
    """Silence is counted from where the detector usually lets go, 0.08 s after the voice; the level tells where it does
    so later. Where no level tells, in a loud room, the detector's own end counts."""
    for quiet, final_s in ((True, 1.0 + 0.08 + 0.38), (False, 1.0 + 0.128 + 0.38)):
        found = heard(turns(Ear(0.5)), lingering(quiet=quiet))
        assert found[-1].t_s == pytest.approx(final_s, abs=0.033)


def test_who_goes_on_after_a_hush_is_read_again():
    """A closed consonant may be as quiet: what was asked in it is void once there is speech again."""
    ear = Ear(0.95, texts=("I like", "I like it."))
    chunks = scripted([*seconds(SPEECH, 1), *[0.5, 0.5], *seconds(SPEECH, 0.5), *seconds(SILENCE, 1)])
    spoken = len(seconds(SPEECH, 1))
    noise = np.random.default_rng(1).normal(0, 0.1, CHUNK).astype(np.float32)
    quiet = [n in (spoken, spoken + 1) or n >= len(chunks) - len(seconds(SILENCE, 1)) for n in range(len(chunks))]
    found = heard(
        turns(ear),
        [replace(chunk, samples=noise * (0.001 if one else 1.0)) for chunk, one in zip(chunks, quiet, strict=True)],
    )
    assert [one.words for one in found if isinstance(one, TurnEnd) and one.final] == ["I like it."]
    assert len(ear.heard) == 2


def test_words_that_stand_are_told_before_anything_is_judged():
    """A reply can be begun while the network still listens; words that break off begin none. The probability is not
    known yet, and the end is not final before 0.2 s."""
    for text, maybes in (("Dogs are sitting by the door.", [(False, None)]), ("Dogs are sitting by the.", [])):
        later, ear = Later(), Ear(0.9, texts=(text,))
        taking = turns(ear, submit=later.submit)
        chunks = scripted([*SPEECH * 31, *SILENCE * 6])
        assert heard(taking, chunks[:33]) == []
        read, answer = later.jobs.pop(0)
        answer.set_result(read())
        told = [one for one in taking.feed(chunks[33]) if isinstance(one, TurnEnd)]
        assert [(one.final, one.probability) for one in told] == maybes
        assert [one.words for one in told] == [text] * len(maybes)
        later.work()
        assert heard(taking, chunks[34:]) == []


def test_a_short_gap_in_speech_asks_no_second_reading_while_one_runs():
    """Words have gaps of their own: the recognizer is asked one thing at a time."""
    later = Later()
    taking = turns(Ear(0.9), submit=later.submit)
    heard(taking, scripted([*seconds(SPEECH, 1), *(seconds(SILENCE, 0.1) + seconds(SPEECH, 0.3)) * 4]))
    assert len(later.jobs) == 2  # one reading, one judgement


def test_an_unlikely_end_waits_for_long_silence():
    """What sounds unfinished ends the turn only after 1.6 s of silence, without a speculative end."""
    found = heard(turns(Ear(0.1), words=False), scripted([*seconds(SPEECH, 1), *seconds(SILENCE, 3)]))
    assert [(one.by, one.final) for one in found] == [("silence", True)]
    assert 1.6 <= found[0].t_s - found[0].speech_end_s <= 1.632


def test_speech_that_resumes_goes_on_with_the_turn():
    """A pause inside a turn gives no end; what is heard at the second pause is the whole turn."""
    ear = Ear(0.5)
    script = [*seconds(SPEECH, 1), *seconds(SILENCE, 0.3), *seconds(SPEECH, 1), *seconds(SILENCE, 1)]
    found = heard(turns(ear), scripted(script))
    assert [one.final for one in found if isinstance(one, TurnEnd)] == [False, False, True]
    assert [one.start_s for one in found if isinstance(one, Words)] == [0.0] * 3
    assert len(ear.heard[1]) > len(ear.heard[0]) + 16_000


def test_two_turns_do_not_mix():
    """After a final end, the next speech begins a new turn with its own sound."""
    ear = Ear(0.9, texts=("one", "two"))
    script = [*seconds(SPEECH, 2), *seconds(SILENCE, 2), *seconds(SPEECH, 0.5), *seconds(SILENCE, 2)]
    found = [one for one in heard(turns(ear), scripted(script)) if isinstance(one, Words) and one.final]
    assert [one.text for one in found] == ["one", "two"]
    assert len(ear.heard[1]) < 1.3 * 16_000
    assert found[1].start_s == pytest.approx(4.0, abs=0.05)


def test_unreliable_words_are_not_told():
    """Where the listener believes nothing, the turn ends without Words."""
    found = heard(turns(Ear(0.9, texts=(None,))), scripted([*seconds(SPEECH, 1), *seconds(SILENCE, 1)]))
    assert [type(one) for one in found] == [TurnEnd, TurnEnd]


def test_a_long_turn_is_read_in_stretches():
    """A monologue is cut for the recognizer at a pause after 8 s, or anywhere at 12 s; its words are joined in order
    and its sound does not pile up."""
    ear = Ear(0.1, texts=("one", "two", "three", "four"))
    taking = turns(ear)
    script = [*seconds(SPEECH, 9), *seconds(SILENCE, 0.3), *seconds(SPEECH, 16), *seconds(SILENCE, 2)]
    found = heard(taking, scripted(script))
    final = [one for one in found if isinstance(one, Words) and one.final]
    assert [one.text for one in final] == ["one two three"]
    assert max(len(sound) for sound in ear.heard) <= 12.6 * 16_000
    assert max(len(sound) for sound in ear.judged) <= 8 * 16_000
    assert sum(len(sound) for sound in ear.heard) / 16_000 == pytest.approx(25.5, abs=1)  # nothing lost or read twice


def test_end_of_input_ends_the_turn():
    """A file that stops in mid-speech gives its words and a final end; without a turn there is nothing to end."""
    ear = Ear(0.3)
    taking = turns(ear)
    assert heard(taking, scripted(seconds(SPEECH, 1))) == []
    words, end = taking.finish()
    assert (words.text, words.final, end.by, end.final, end.probability) == ("hello", True, "end_of_input", True, 0.3)
    assert taking.finish() == []


class Later:
    """An executor whose jobs run when the test says so."""

    def __init__(self) -> None:
        self.jobs: list[tuple[Callable[[], object], Future[object]]] = []

    def submit(self, job):
        future: Future[object] = Future()
        self.jobs.append((job, future))
        return future

    def work(self) -> None:
        for job, future in self.jobs:
            future.set_result(job())
        self.jobs = []

    def work_last(self) -> None:
        """Only what was asked last."""
        job, future = self.jobs.pop()
        future.set_result(job())


def test_slow_answers_come_out_of_a_later_feed():
    """On an executor, feed() never waits: the answers are told by the first feed after they came."""
    later = Later()
    taking = turns(Ear(0.9, texts=("Hello.",)), submit=later.submit)
    chunks = scripted([*seconds(SPEECH, 1), *seconds(SILENCE, 2)])
    pause = next(n for n, chunk in enumerate(chunks) if n > 2 and not chunk.activity.speaking)
    assert heard(taking, chunks[: pause + 3]) == []
    later.work()
    assert [type(one) for one in taking.feed(chunks[pause + 3])] == [Words, TurnEnd, Words, TurnEnd]


def test_late_words_follow_the_end_of_their_turn():
    """A sure end does not wait for its words: it is told with `words_pending`, and once more when they are there."""
    later = Later()
    taking = turns(Ear(0.9), submit=later.submit)
    chunks = scripted([*seconds(SPEECH, 1), *seconds(SILENCE, 1)])
    pause = next(n for n, chunk in enumerate(chunks) if n > 2 and not chunk.activity.speaking)
    assert heard(taking, chunks[: pause + 1]) == []
    later.work_last()  # the judge; the recognizer is still reading
    maybe, end = taking.feed(chunks[pause + 1])
    assert (maybe.final, maybe.words_pending, end.final, end.words_pending, end.words) == (
        False,
        True,
        True,
        True,
        None,
    )
    assert taking.feed(chunks[pause + 2]) == []
    later.work()
    words, again = taking.feed(chunks[pause + 3])
    assert (words.text, words.final) == ("hello", True)
    assert (again.t_s, again.words, again.words_pending) == (end.t_s, "hello", False)
    assert heard(taking, chunks[pause + 4 :]) == []


def test_late_words_go_with_what_the_person_says_next():
    """Who goes on before the words were read is heard as one: they come with the rest."""
    later = Later()
    taking = turns(Ear(0.9, texts=("one", "two")), submit=later.submit)
    chunks = scripted([*seconds(SPEECH, 1), *seconds(SILENCE, 0.3), *seconds(SPEECH, 1), *seconds(SILENCE, 1)])
    pause = next(n for n, chunk in enumerate(chunks) if n > 2 and not chunk.activity.speaking)
    heard(taking, chunks[: pause + 1])
    later.work_last()
    assert taking.feed(chunks[pause + 1])[-1].words_pending
    assert heard(taking, chunks[pause + 2 : pause + 20]) == []  # the person speaks again
    later.work()
    found = []
    for chunk in chunks[pause + 20 :]:
        found += taking.feed(chunk)
        later.work()
    assert [one.words for one in found if isinstance(one, TurnEnd)] == ["one two", "one two"]


def test_a_stale_answer_is_dropped():
    """An answer about a pause that speech has ended says nothing any more."""
    later = Later()
    taking = turns(Ear(0.9), submit=later.submit)
    assert heard(taking, scripted([*seconds(SPEECH, 1), *seconds(SILENCE, 0.3), *seconds(SPEECH, 0.5)])) == []
    later.work()
    assert heard(taking, scripted(seconds(SPEECH, 0.5), start_s=1.8)) == []


def test_a_turn_does_not_wait_for_ever():
    """When no answer comes in time, silence ends the turn, without words."""
    taking = turns(Ear(0.9), submit=Later().submit)
    found = heard(taking, scripted([*seconds(SPEECH, 1), *seconds(SILENCE, 7)]))
    told = [(type(one), one.by, one.final, one.words_pending) for one in found]
    assert told == [(TurnEnd, "silence", True, True), (TurnEnd, "silence", True, False)]


def test_a_failing_network_is_not_swallowed():
    """An error of the judge comes out of feed(), once; what is said next is judged anew."""

    def broken(_sound: np.ndarray) -> float:
        raise RuntimeError("broken")

    taking, raised = TurnTaking(broken, language="en"), 0
    for chunk in scripted([*seconds(SPEECH, 1), *seconds(SILENCE, 1), *seconds(SPEECH, 1), *seconds(SILENCE, 1)]):
        try:
            assert taking.feed(chunk) == []
        except RuntimeError:
            raised += 1
    assert raised == 2


def test_overheard_speech_begins_the_turn():
    """Sound overheard while the device spoke is the begin of a turn when it proves to be a barge-in."""
    ear = Ear(0.9)
    taking = turns(ear)
    chunks = scripted([*seconds(SILENCE, 1), *seconds(SPEECH, 2), *seconds(SILENCE, 1)])
    for chunk in chunks[:50]:  # 1.6 s: the barge-in is 0.6 s old
        taking.overhear(chunk)
    found = heard(taking, chunks[50:])
    assert found[-1].final
    assert next(one for one in found if isinstance(one, Words)).start_s == pytest.approx(1.0, abs=0.04)
    assert len(ear.heard[0]) / 16_000 == pytest.approx(2.56, abs=0.1)


def over_a_hole(taking: TurnTaking, before: list[float], hole_s: float, after: list[float]) -> list[Words | TurnEnd]:
    """What is told of two stretches of sound with a hole between them."""
    sound, gate = np.repeat(np.array([*before, *after], dtype=np.float32), CHUNK), SpeechGate(LoudIsSpeech())
    cut = len(before)
    stamped = [one if one.seq < cut else replace(one, t_s=one.t_s + hole_s) for one in frames(sound)]
    return heard(taking, [chunk for frame in stamped for chunk in gate.feed(frame)])


@pytest.mark.parametrize("pause_s", [0.0, 0.3])
def test_a_turn_goes_on_over_lost_sound(pause_s):
    """A hole is no silence: who speaks on after it is in the same turn, whose words tell where something is missing,
    and nothing of before the hole is judged or read together with what follows."""
    ear = Ear(0.1, texts=("one", "two"))
    before = [*seconds(SPEECH, 1), *seconds(SILENCE, pause_s)]
    found = over_a_hole(turns(ear), before, 5.0, [*seconds(SILENCE, 1), *seconds(SPEECH, 1), *seconds(SILENCE, 3)])
    (end,) = (one for one in found if isinstance(one, TurnEnd) and one.final)
    hole_end_s = len(before) * 0.032 + 5.0
    assert end.words == "one … two"
    assert end.speech_end_s == pytest.approx(hole_end_s + 2.0, abs=0.07)
    assert end.t_s - end.speech_end_s == pytest.approx(1.6, abs=0.04)
    assert max(map(len, ear.heard)) < 2.2 * 16_000
    (words,) = (one for one in found if isinstance(one, Words) and one.final)
    assert words.text == "one … two"
    assert words.start_s == 0.0


def test_silence_counts_from_the_end_of_a_hole():
    """What nobody heard ends no turn, nor is it judged: the silence that follows does, and the words say that more may
    have been said."""
    ear = Ear(0.9, texts=("one",))
    found = over_a_hole(turns(ear), seconds(SPEECH, 1), 5.0, seconds(SILENCE, 3))
    (end,) = (one for one in found if isinstance(one, TurnEnd) and one.final)
    assert (end.by, end.probability, end.words) == ("silence", None, "one …")
    assert end.t_s == pytest.approx(1.0 + 5.0 + 1.6, abs=0.04)
    assert end.speech_end_s == pytest.approx(1.0, abs=0.04)
    assert ear.judged == []
    assert over_a_hole(turns(Ear(0.9, texts=(None,))), seconds(SPEECH, 1), 5.0, seconds(SILENCE, 3))[-1].words is None
    assert over_a_hole(turns(Ear(0.9), words=False), seconds(SPEECH, 1), 5.0, seconds(SILENCE, 3))[-1].words is None


def test_after_a_long_hole_nothing_is_told_of_what_came_before():
    """Nobody waits any more for an answer to what was said before the microphone was gone for longer than ten
    seconds; what is said then is another turn."""
    ear = Ear(0.9, texts=("one",))
    assert over_a_hole(turns(ear), seconds(SPEECH, 1), 12.0, seconds(SILENCE, 3)) == []
    found = over_a_hole(turns(ear), seconds(SPEECH, 1), 12.0, [*seconds(SPEECH, 1), *seconds(SILENCE, 1)])
    assert found[-1].words == "one"
    assert found[0].start_s > 12.0


def test_shreds_of_sound_are_one_hole_and_keep_no_turn():
    """What comes in pieces too short to hold speech is read once, at most, and ten seconds after what was said the turn
    is dropped: else it would last, and grow, until the sound is whole again."""
    for lasts_s, words in ((8.0, "one …"), (12.0, None)):
        ear, gate, taking = Ear(0.1, texts=("one", "two")), SpeechGate(LoudIsSpeech()), None
        taking = turns(ear)
        spoken = frames(np.repeat(np.array(seconds(SPEECH, 1), dtype=np.float32), CHUNK))
        end_s = spoken[-1].end_s
        shred = spoken[0].samples * 0
        shreds = [replace(spoken[0], t_s=end_s + 0.2 * n, samples=shred) for n in range(1, round(lasts_s / 0.2))]
        found = heard(taking, [chunk for frame in (*spoken, *shreds) for chunk in gate.feed(frame)])
        assert [one for one in found if isinstance(one, TurnEnd)] == []
        assert len(ear.heard) == 1
        whole = frames(np.zeros(round(3.0 / 0.032) * CHUNK, dtype=np.float32))
        late = [replace(one, t_s=one.t_s + end_s + lasts_s) for one in whole]
        ends = [
            one for one in heard(taking, [c for frame in late for c in gate.feed(frame)]) if isinstance(one, TurnEnd)
        ]
        assert [one.words for one in ends if one.final] == ([] if words is None else [words])


def test_a_trembling_clock_loses_no_sound():
    """A microphone stamps its blocks some milliseconds early or late; the turn's sound is heard whole all the same."""
    ear, rng = Ear(0.9), np.random.default_rng(0)
    sound = np.repeat(np.array([*seconds(SILENCE, 1), *seconds(SPEECH, 3), *seconds(SILENCE, 1)], np.float32), CHUNK)
    gate, taking = SpeechGate(LoudIsSpeech()), turns(ear)
    late_s = rng.uniform(0, 0.03, len(sound))
    trembling = [AudioFrame("test", n, one.t_s + late_s[n], one.samples) for n, one in enumerate(frames(sound))]
    found = heard(taking, [chunk for frame in trembling for chunk in gate.feed(frame)])
    assert [one.final for one in found if isinstance(one, TurnEnd)] == [False, True]
    assert len(ear.heard[0]) / 16_000 == pytest.approx(3.56, abs=0.1)


def test_a_reply_ends_the_turn_that_it_answers():
    """When the device speaks on a speculative end, that end becomes final, with its words; a turn that was not likely
    over is dropped."""
    chunks = scripted([*seconds(SPEECH, 1), *seconds(SILENCE, 0.35)])
    taking = turns(Ear(0.5))
    assert [one.final for one in heard(taking, chunks)] == [False, False]
    words, end = taking.give_way()
    assert (words.final, end.final, end.by) == (True, True, "model")
    taking = turns(Ear(0.1))
    heard(taking, chunks)
    assert taking.give_way() == []
    assert taking.finish() == []
