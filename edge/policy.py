"""May this be perceived? Purpose, consent, disclosure; what is not clearly allowed is refused.

The gate follows the declared context: affect at work or in education only under a medical or safety exemption with a
recorded justification; anywhere only with consent, and so with what is said; nothing at all before people were told.
Every decision goes to an append-only audit log, which holds no word, picture or feeling.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from edge.audit import Audit
from edge.errors import PolicyError
from edge.types import Event, FaceAffect, Observation, PersonState, Prosody, TurnEnd, VoiceAffect, Words

if TYPE_CHECKING:
    from edge.config import Purpose

Mode = Literal["off", "attention_only", "affect"]
MODES: tuple[Mode, ...] = ("off", "attention_only", "affect")
CONTEXTS = ("personal", "vehicle", "public", "workplace", "education", "care")
_AFFECT_REFUSED = ("workplace", "education")  # EU AI Act, art. 5(1)(f)
_EXEMPTIONS = ("medical", "safety")
_AFFECT = (VoiceAffect, FaceAffect, Prosody)
_VOICE = (VoiceAffect, Prosody, Words)
_FELT = frozenset(
    {"valence", "arousal", "session_valence", "session_arousal", "incongruence"}
)  # in an event's arguments
NOTICE: dict[Mode, str] = {
    "off": "This device perceives nothing: camera and microphone are not used.",
    "attention_only": "This device watches and listens to notice attention and speech. It does not read feelings.",
    "affect": "This device watches and listens, and estimates mood from face and voice. It may be wrong. "
    "Sound and pictures stay on the device.",
}
SAID = " What is said may be read, to answer it."


class Policy:
    """Decides what may be perceived. `mode` is what is in force, `asked` what was wished, `reason` why they differ.

    Call `disclose` before perception: until then nothing is allowed, and afterwards no more than people were told.
    `withdraw` stops at once, and calls every function in `on_stop` (close the camera and the microphone there); any
    withdrawal, be it of one person or of feelings alone, those in `on_withdraw` (erase there what was kept).
    """

    def __init__(
        self,
        mode: Mode,
        *,
        context: str,
        exemption: str | None = None,
        justification: str | None = None,
        consent: bool = False,
        audit: Audit | None = None,
    ) -> None:
        """Raises PolicyError for a mode or context that does not exist."""
        if mode not in MODES:
            raise PolicyError(f"no mode '{mode}': choose {', '.join(MODES)}")
        if context not in CONTEXTS:
            raise PolicyError(f"no context '{context}': choose {', '.join(CONTEXTS)}")
        self.asked = mode
        self.context = context
        self.on_stop: list[Callable[[], None]] = []
        self.on_withdraw: list[Callable[[], None]] = []
        self._exemption, self._justification = exemption, (justification or "").strip()
        self._consented = self._listened = consent  # to the reading of feelings; of what is said
        self._withdrawn: set[int] = set()
        self._stopped = self._disclosed = False
        self._told_feelings = self._told_words = True  # that they may be read; until people are told, nothing is
        self._audit = audit or Audit(None)
        self._audit.write(
            "start",
            asked=mode,
            mode=self.mode,
            context=context,
            exemption=exemption or "",
            justification=self._justification,
            consent=consent,
            reason=self.reason or "",
        )

    @classmethod
    def from_config(cls, purpose: Purpose) -> Policy:
        """As the settings declare. Raises PolicyError when the audit log cannot be written."""
        return cls(
            purpose.mode,
            context=purpose.context,
            exemption=purpose.exemption,
            justification=purpose.justification,
            consent=purpose.consent,
            audit=Audit(purpose.audit_log),
        )

    @classmethod
    def for_recordings(cls) -> Policy:
        """For files that the user hands over to be analysed: nobody is watched, and the user answers for the file."""
        policy = cls("affect", context="personal", consent=True)
        policy._disclosed = True
        return policy

    # ------------------------------------------------------------ what is in force

    @property
    def mode(self) -> Mode:
        """The mode in force."""
        if self._stopped or self._audit.failed:
            return "off"
        if self.asked == "affect" and self._refusal() is not None:
            return "attention_only"
        return self.asked

    @property
    def affect(self) -> bool:
        """Whether feelings may be read at all."""
        return self.mode == "affect"

    @property
    def words(self) -> bool:
        """Whether what is said may be read. It takes consent, too, though feelings may be refused or taken back."""
        return self._listened and self._told_words and not self._withdrawn and self.mode != "off"

    @property
    def reason(self) -> str | None:
        """Why the mode in force is less than the one asked for."""
        if self._stopped:
            return "consent was withdrawn"
        if self._audit.failed:
            return f"the audit log cannot be written: {self._audit.failed}"
        return self._refusal() if self.asked == "affect" else None

    def _refusal(self) -> str | None:
        if self.context in _AFFECT_REFUSED:
            if self._exemption not in _EXEMPTIONS:
                return f"reading feelings is refused in context '{self.context}' without a medical or safety exemption"
            if not self._justification:
                return f"the {self._exemption} exemption needs a recorded justification"
        if not self._consented:
            return "nobody has consented to the reading of feelings"
        if self._withdrawn:  # whoever comes back is a new face: it may be theirs
            return (
                "somebody here withdrew their consent: nobody's feelings or words are read until they agree again, or "
                "everybody does (`mien consent give`)"
            )
        if not self._told_feelings:
            return "people here were not told that feelings are read: start the device anew"
        return None

    # ------------------------------------------------------------ disclosure and consent

    @property
    def notice(self) -> str:
        """What people are told, for the mode in force."""
        return NOTICE[self.mode] + (SAID if self.words else "")

    def disclose(self, tell: Callable[[str], object]) -> None:
        """Tell people, by `tell` (a screen, a voice); only when it returns may perception begin."""
        self._told_feelings = self._told_words = True
        affect, words = self.affect, self.words
        tell(self.notice)
        self._told_feelings, self._told_words, self._disclosed = affect, words, True
        self._audit.write("disclosed", mode=self.mode)

    def consent(self, person: int | None = None) -> None:
        """`person` (None: everybody in front of the device) agrees that feelings are read."""
        if person is None:
            self._consented, self._listened, self._stopped = True, True, False
            self._withdrawn.clear()
            self._told_feelings, self._told_words, self._disclosed = True, True, False  # the notice is another now
        else:
            self._withdrawn.discard(person)
        self._audit.write("consent", person=person, mode=self.mode)

    def withdraw(self, person: int | None = None) -> None:
        """`person` no longer agrees: nothing of theirs is kept from now on. None: stop capture altogether, at once.

        Neither a voice nor a face that comes back tells whose it is: until they agree again, or everybody does, no
        feelings are read, whoever's, nor what is said.
        """
        if person is not None:
            self._withdrawn.add(person)
            self._end(self.on_withdraw, person=person)
            return
        self._consented, self._listened, self._stopped = False, False, True
        self._end([*self.on_stop, *self.on_withdraw], person=None)

    def withdraw_affect(self) -> None:
        """Nobody agrees any more that feelings are read; attention and speech still are."""
        self._consented = False
        self._end(self.on_withdraw, person=None, purpose="affect")

    def _end(self, steps: Iterable[Callable[[], None]], **facts: str | int | None) -> None:
        failures = []
        for step in steps:
            try:
                step()
            except Exception as error:  # every device must be tried, whatever the one before does
                failures.append(type(error).__name__)
        self._audit.write("withdrawn", **facts, mode=self.mode, failures=", ".join(failures))
        if failures:
            raise PolicyError(f"not everything could be stopped and erased ({', '.join(failures)}): unplug the device")

    @property
    def withdrawn(self) -> frozenset[int]:
        """Who does not agree any more."""
        return frozenset(self._withdrawn)

    # ------------------------------------------------------------ the gate

    def allows(self, seen: Observation) -> bool:
        """Whether this observation may be used."""
        mode = self.mode
        if mode == "off" or not self._disclosed or seen.person in self._withdrawn:
            return False
        if (self._withdrawn and isinstance(seen, _VOICE)) or (isinstance(seen, Words) and not self.words):
            return False
        return mode == "affect" or not isinstance(seen, _AFFECT)

    def filter(self, observations: Iterable[Observation]) -> list[Observation]:
        """The observations that may be used, as far as they may be: an end of turn without its words, where need be."""
        silent = not self.words
        return [
            replace(seen, words=None) if silent and isinstance(seen, TurnEnd) else seen
            for seen in observations
            if self.allows(seen)
        ]

    def told(self, event: Event) -> Event:
        """What may be told of an event: of a turn that began before feelings were refused, no feeling."""
        if self.affect or _FELT.isdisjoint(event.arguments):
            return event
        return replace(event, arguments={name: one for name, one in event.arguments.items() if name not in _FELT})

    def redact(self, state: PersonState) -> PersonState | None:
        """What may be told of a state; None for nothing."""
        mode = self.mode
        if mode == "off" or not self._disclosed or state.person in self._withdrawn:
            return None
        if not self.words:
            state = replace(state, words=None)
        if mode == "affect":
            return state
        return replace(
            state,
            face=None,
            voice=None,
            fused=None,
            action_units={},
            prosody=None,
            incongruence=(),
            cues={},
            trend=None,
            events=tuple(self.told(event) for event in state.events),
        )
