"""Everything that is heard, on real voices."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from edge.perceive.hearing import Hearing
from edge.perceive.turn import Submit, at_once
from edge.types import Prosody, SpeechActivity, TurnEnd, VoiceAffect, Words
from models import store
from models.errors import ModelMissing
from tests.sounds import frames, read

SENTENCES = {"lwbsza": "Lay white by s zero again.", "brbk7n": "k 7 now"}


def hearing(*, words: bool = False, language: str = "en", slow: Submit = at_once) -> Hearing:
    try:
        for name in (
            "speech_activity",
            "end_of_turn",
            *(("asr_encoder", "asr_decoder", "asr_pieces") if words else ()),
        ):
            store.path(name)
    except ModelMissing as error:
        pytest.skip(str(error))
    return Hearing(affect=False, words=words, language=language, slow=slow)


def heard(ear: Hearing, sound: np.ndarray, *, block: int = 512) -> list:
    found = [one for frame in frames(sound, block=block) for one in ear.feed(frame)]
    return [*found, *ear.finish()]


def plain(text: str) -> str:
    """Letters alone: where a full stop stands is the recognizer's guess."""
    return "".join(one for one in text.lower() if one.isalnum() or one == " ")


def test_a_real_sentence_is_heard_whole(clips):
    """A talking person gives speech activity per 32 ms, prosody, words and one final end of turn, in order of time."""
    ear = hearing(words=True)
    for clip in clips:
        ear.reset()
        sound = read(clip)
        found = heard(ear, sound)
        activity = [one for one in found if isinstance(one, SpeechActivity)]
        assert len(activity) == len(sound) // 512
        assert 1.0 < sum(one.speaking for one in activity) * 0.032 < 2.6
        assert any(isinstance(one, Prosody) and 75 < one.pitch_hz < 320 for one in found)
        assert sum(isinstance(one, TurnEnd) and one.final for one in found) == 1
        texts = [one.text for one in found if isinstance(one, Words) and one.final]
        if clip.stem in SENTENCES:
            # "K7", "k seven" and "k 7" are one sound, and the recognizer's spelling of it is a guess, too.
            spelt = plain(texts[0]).replace("seven", "7").replace("k7", "k 7")
            assert plain(SENTENCES[clip.stem]) in spelt
        assert len({one.person for one in found}) == 1


def test_two_ends_of_a_hole_are_no_one_sound(clips):
    """Where sound was lost, what is kept of a voice is forgotten, and the hole is told once."""
    gaps = []
    ear, sound = hearing(), read(clips[0])
    ear._on_gap = lambda: gaps.append(len(ear._prosody._frames))
    blocks = frames(sound)
    for block in blocks[: len(blocks) // 2]:
        ear.feed(block)
    assert ear._prosody._frames
    ear.feed(replace(blocks[-2], t_s=blocks[-2].t_s + 0.2))
    assert len(gaps) == 1
    assert not ear._prosody._frames


def test_the_silence_between_turns_is_no_pause(clips):
    """How the next turn is said is measured on that turn alone: what it holds no pause of tells none."""
    ear = hearing()
    sound = np.concatenate([read(clips[0])] * 2)
    found = heard(ear, sound)
    ends = [one.t_s for one in found if isinstance(one, TurnEnd) and one.final]
    first, second = ([one for one in found if isinstance(one, Prosody) and (one.t_s < ends[0]) is early]
                     for early in (True, False))  # fmt: skip
    assert len(ends) == 2
    assert first
    assert second
    assert max(one.pause_fraction for one in second) <= max(one.pause_fraction for one in first) + 0.05
    assert second[-1].window_s < 2.0


def test_blocks_of_any_size_hear_the_same(clips):
    """What is heard depends on the sound, not on how the sensor cuts it."""
    ear, sound = hearing(), read(clips[0])
    small = heard(ear, sound, block=512)
    ear.reset()
    large = heard(ear, sound, block=5_000)
    assert [type(one) for one in small] == [type(one) for one in large]
    assert small[-1] == pytest.approx(large[-1]) if isinstance(small[-1], float) else small[-1].t_s == large[-1].t_s


def test_silence_is_silence():
    """Nothing but "no speech" is observed of silence and of noise; a turn is never invented."""
    for sound in (np.zeros(48_000), 0.02 * np.random.default_rng(0).standard_normal(48_000)):
        found = heard(hearing(), sound.astype(np.float32))
        assert {type(one) for one in found} == {SpeechActivity}
        assert not any(one.speaking for one in found)


def test_without_affect_nothing_of_it_is_loaded():
    """Policy: `affect=False` imports no affect code and opens no affect model."""
    hearing()
    code = (
        "import sys; from edge.perceive.hearing import Hearing; Hearing(affect=False, words=False);"
        "print([m for m in sys.modules if m.endswith(('perceive.voice', 'voice_head', 'whisper_encoder'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_while_the_device_speaks_only_speech_is_watched(clips):
    """The device must not feel or answer itself, but must notice that it is interrupted."""
    ear = hearing(words=True)
    ear.device_speaking(True)
    found = heard(ear, read(clips[0]))
    assert {type(one) for one in found} == {SpeechActivity}
    assert any(one.speaking for one in found)
    ear.device_speaking(False)
    ear.reset()
    assert any(isinstance(one, TurnEnd) for one in heard(ear, read(clips[0])))


def test_a_reply_to_a_speculative_end_makes_it_final(clips, monkeypatch):
    """The end that the device's own speech answers is told before anything else of the next frame."""
    monkeypatch.setattr("edge.perceive.pause._SURE", 2.0)  # a likely end, that no judgement makes final
    ear = hearing()
    for frame in frames(read(clips[1])):
        if any(isinstance(one, TurnEnd) for one in ear.feed(frame)):
            break
    ear.device_speaking(True)
    first, *_rest = ear.feed(frames(np.zeros(512, dtype=np.float32), start_s=frame.end_s)[0])
    assert isinstance(first, TurnEnd)
    assert first.final
    assert ear.finish() == []


def test_a_language_it_does_not_know_gives_no_words(clips):
    """English recognition is not tried on a speaker who is said to speak German."""
    found = heard(hearing(words=True, language="de"), read(clips[0]))
    assert not any(isinstance(one, Words) for one in found)
    assert any(isinstance(one, TurnEnd) for one in found)


def test_words_can_be_given_up_and_taken_up(clips):
    """A board that runs short of memory stops reading words, and begins again."""
    ear = hearing(words=True)
    clip = next(one for one in clips if one.stem == "lwbsza")
    for wanted in (False, True):
        ear.words_wanted(wanted)
        ear.reset()
        assert any(isinstance(one, Words) for one in heard(ear, read(clip))) == wanted


def test_feelings_can_be_left_unread(clips):
    """Where they may not be read any more nothing of how it is said is told, and nothing of before comes back."""
    ear, sound = hearing(), frames(read(clips[0]))
    half = len(sound) * 2 // 3
    for wanted, part in ((True, sound[:half]), (False, sound[half:])):
        ear.feelings_wanted(wanted)
        found = [one for frame in part for one in ear.feed(frame)]
        assert any(isinstance(one, Prosody) for one in found) == wanted
        assert any(isinstance(one, SpeechActivity) and one.speaking for one in found)
    assert not ear._prosody._frames


def test_affect_is_heard_when_it_is_asked_for(clips):
    """With affect on, a second and a half of speech gives at least one reading of the voice."""
    pytest.importorskip("edge.perceive.voice")
    try:
        ear = Hearing(affect=True, words=False)
    except ModelMissing as error:
        pytest.skip(str(error))
    found = [one for one in heard(ear, read(clips[0])) if isinstance(one, VoiceAffect)]
    assert found
    assert all(abs(sum(one.probs.values()) - 1) < 1e-3 for one in found)


def test_on_an_executor_the_same_is_heard(clips):
    """With a worker thread for the slow part, the same words and the same end come out, only later."""
    clip = next(one for one in clips if one.stem == "lwbsza")
    sound = np.concatenate((read(clip), np.zeros(16_000, dtype=np.float32)))
    inline = heard(hearing(words=True), sound)
    with ThreadPoolExecutor(1) as pool:
        ear = hearing(words=True, slow=pool.submit)
        later: list = []
        for frame in frames(sound):
            later += ear.feed(frame)
            pool.submit(int).result()  # as if each frame took as long as the work before it
        later += ear.finish()

    def told(found: list) -> list:
        return [(type(one), one.final, getattr(one, "text", None)) for one in found if isinstance(one, Words | TurnEnd)]

    assert told(later) == told(inline)
