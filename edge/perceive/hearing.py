"""Everything that is heard of one person: speech, how it is said, what is said, and when the turn is over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from edge.perceive.prosody import ProsodyReader
from edge.perceive.speech import Chunk, SpeechGate
from edge.perceive.turn import Submit, TurnTaking, at_once
from edge.perceive.words import LANGUAGES, WordFinder
from edge.types import AudioFrame, Observation, TurnEnd
from models.end_of_turn import EndOfTurnNet
from models.speech_activity import SpeechActivityNet

if TYPE_CHECKING:
    from edge.own_voice import OwnVoice
    from edge.perceive.voice import VoiceReader


class Hearing:
    """From frames of sound to observations, synchronous and driven by the frames' times alone.

    `affect`: read the voice's affect; False loads and computes nothing of it. `words`: read what was said, in
    `language`; a language that the recognizer does not know gives no words. `slow`: where the 50–300 ms of judging a
    pause run: here and now (`at_once`), or an executor's `submit`; the answer then comes out of a later `feed`. `own`:
    what `mien calibrate` learned of the voice that will mostly be heard. `on_gap` is called where sound was lost.

    Raises ModelError where a model is missing.
    """

    def __init__(
        self,
        *,
        affect: bool,
        words: bool,
        language: str = "en",
        slow: Submit = at_once,
        own: OwnVoice | None = None,
        on_gap: Callable[[], None] = lambda: None,
    ) -> None:
        self._gate = SpeechGate(SpeechActivityNet())
        self._prosody = ProsodyReader()
        self._voice = _voice(own) if affect else None
        self._turns = TurnTaking(EndOfTurnNet().probability, language=language, submit=slow)
        self._may_have_words = words and language in LANGUAGES
        self._on_gap = on_gap
        self._device_speaks = False
        self._feels = True
        self._left: Sequence[Observation] = []  # to be told by the next feed
        self.words_wanted(words)

    def feed(self, frame: AudioFrame) -> list[Observation]:
        """Hear a frame of any length; the frames of a stream must come in order."""
        left, self._left = self._left, []
        return [*left, *(found for chunk in self._gate.feed(frame) for found in self._hear(chunk))]

    def finish(self) -> list[Observation]:
        """End of input: end the running turn."""
        left, self._left = self._left, []
        held = [found for chunk in self._gate.flush() for found in self._hear(chunk)]
        return [*left, *held, *self._turns.finish()]

    def device_speaking(self, active: bool) -> None:
        """Tell that the device itself is heard from now on, or no more.

        Affect, prosody and turns pause, for it would feel and answer itself; speech activity goes on, for barge-in.
        A reply that begins on a speculative end makes that end final; the next feed tells it.
        """
        if active == self._device_speaks:
            return
        self._device_speaks = active
        if active:
            self._left = self._turns.give_way()
            self._forget_voice()

    def feelings_wanted(self, wanted: bool) -> None:
        """Stop reading how something is said, at once, or begin again with what comes then."""
        if not wanted and self._feels:
            self._forget_voice()
        self._feels = wanted

    def words_wanted(self, wanted: bool) -> None:
        """Stop reading words and give their memory back, or begin again. Without `words` at birth nothing happens.

        Raises ModelError where a model is missing.
        """
        if not wanted:
            self._turns.listen = None
        elif self._may_have_words and self._turns.listen is None:
            self._turns.listen = WordFinder().find

    def reset(self) -> None:
        """Forget the stream: another person, or another source."""
        self._left = []
        self._gate.reset()
        self._turns.reset()
        self._forget_voice()

    def _forget_voice(self) -> None:
        self._prosody.reset()
        if self._voice is not None:
            self._voice.reset()

    def _hear(self, chunk: Chunk) -> list[Observation]:
        out: list[Observation] = [chunk.activity]
        if not chunk.follows:
            self._on_gap()
            self._forget_voice()  # two ends of a hole are no one sound
        if self._device_speaks:
            out.extend(self._turns.overhear(chunk))
            return out
        if self._feels:
            out.extend(self._feel(chunk))
        told = self._turns.feed(chunk)
        if any(isinstance(one, TurnEnd) and one.final and one.t_s == chunk.end_s for one in told):
            self._prosody.reset()  # the silence up to the next turn is no pause within it
        out.extend(told)
        return out

    def _feel(self, chunk: Chunk) -> list[Observation]:
        activity, out = chunk.activity, list[Observation]()
        if self._voice is not None:
            affect = self._voice.feed(chunk.samples, chunk.t_s, activity.probability, activity.speaking)
            if affect is not None:
                out.append(affect)
        if (prosody := self._prosody.feed(chunk)) is not None:
            out.append(prosody)
        return out


def _voice(own: OwnVoice | None) -> VoiceReader:
    from edge.perceive.voice import VoiceReader  # loads the voice models
    from models.voice_head import VoiceHead

    return VoiceReader() if own is None else VoiceReader(own.tune(VoiceHead()))
