"""The device's hearing: all that was asked for, as far as there are models for it, without the device's own voice."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from edge.config import Perceive
from edge.errors import ConfigError, PluginError
from edge.perceive.hearing import Hearing
from edge.types import AudioFrame, Observation
from models.errors import ModelError

if TYPE_CHECKING:
    from edge.own_voice import OwnVoice
    from edge.perceive.echo import EchoCanceller


class Ears:
    """Makes hearing as `perceive` asks for it. `submit` runs what must not hold up the sound.

    `live`: a microphone hears, no recording is played. `hears_itself`: the microphone hears the device's own replies,
    and is cleaned of them by `canceller`. What cannot be had is in `left_out`, with the reason; `gaps` counts the holes
    in what was heard, whatever made them.
    """

    def __init__(self, perceive: Perceive, *, live: bool, hears_itself: bool, submit: Callable[..., Any]) -> None:
        self._perceive, self._live, self._submit = perceive, live, submit
        self.left_out: dict[str, str] = {}
        self.gaps = 0
        self._made = False
        self.canceller = self._echo() if hears_itself else None

    def make(self, *, affect: bool, words: bool) -> Hearing | Cleaned:
        """Hearing, that may read feelings and `words`; where a model of a part is missing, that part is left out.

        Raises ModelError where the least of it cannot be had.
        """
        words = words and bool(self._perceive.words)
        tries = ((affect, words, ""), (affect, False, "words"), (False, words, "voice"), (False, False, "voice, words"))
        for wants_affect, wants_words, left_out in tries:
            try:
                hearing = Hearing(
                    affect=wants_affect,
                    words=wants_words,
                    language=self._perceive.language,
                    slow=self._submit,
                    own=self.own_voice() if wants_affect else None,
                    on_gap=self._gap,
                )
            except ModelError as error:
                reason = error
                continue
            if left_out:
                self.left_out[left_out] = str(reason)
            self.gaps += self._made  # it is made anew after a fault: what came meanwhile nobody heard
            self._made = True
            return hearing if self.canceller is None else Cleaned(hearing, self.canceller)
        raise reason

    def own_voice(self) -> OwnVoice | None:
        """What was learned of this device's user; None where there is nothing, or a recording may be of anybody."""
        if not self._live:
            return None
        from edge.own_voice import OwnVoice  # loads the voice head, which a device that reads no feelings does without

        try:
            own = OwnVoice.load()
            if own is not None and not own.fits:
                raise ConfigError("another voice head learned it: run `mien calibrate` again")
        except ConfigError as error:
            self.left_out["own voice"] = str(error)
            return None
        return own

    def _gap(self) -> None:
        self.gaps += 1

    def _echo(self) -> EchoCanceller | None:
        """None: it is not installed, and there is no barge-in."""
        try:
            from edge.perceive.echo import EchoCanceller

            return EchoCanceller()
        except PluginError as error:
            self.left_out["barge-in"] = str(error)
            return None


class Cleaned:
    """Hearing without the device's own voice."""

    def __init__(self, hearing: Hearing, canceller: EchoCanceller) -> None:
        self._hearing = hearing
        self._canceller = canceller
        self.finish, self.reset = hearing.finish, hearing.reset
        self.device_speaking, self.words_wanted = hearing.device_speaking, hearing.words_wanted
        self.feelings_wanted = hearing.feelings_wanted

    def feed(self, frame: AudioFrame) -> list[Observation]:
        """What is heard in `frame` beside the reply that is being played."""
        return self._hearing.feed(self._canceller.clean(frame))
