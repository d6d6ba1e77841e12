"""One person, one time frame: observations of all channels become the state of everybody present.

Rules, by signal: an observation that is not newer than the last one of its signal and person is dropped as late; one
from the future or with a broken number is dropped; each part fades with its own age and is None once it is stale.
Nothing but an observation makes a person: a visual track (1, 2, …), or a voice that no face is bound to (0).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import replace

from edge.bind import Binder
from edge.cues import cues
from edge.faces import KEEP_TRACKS, Faces
from edge.incongruence import Pair
from edge.intact import intact
from edge.joint import Channels, Joint
from edge.track import VOICE_S, Voice, attention, drowsiness, fresh
from edge.turns import Turns
from edge.types import Event, Observation, PersonState, Prosody, SpeechActivity, TurnEnd, VoiceAffect, Words

FACE_S, SOUND_S, WORDS_S = 1.0, 1.0, 30.0  # older than this is stale
_LAST = ("face_lost", "turn_end")  # events that may come of somebody who is gone
_FUTURE_S = 1.0  # clocks of one machine do not differ by more
_GAP_S = 0.5  # between two observations of sound; what was between them was lost, and not silence
_SILENT_TURN_S = 3.0  # a turn whose end no detector told ends after this much silence …
_DEAF_S = 10.0  # … or after so long without any sound, be it silence; a busy device hears late, by some seconds


class People:
    """Everybody whom the device perceives. Not thread-safe; one update per tick of the loop.

    `late` counts observations dropped as late or repeated, `broken` those with an impossible time, number or track.
    `turns` holds summaries and trends; `binder.evidence` how well the lips fit the voice.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everybody."""
        self.turns = Turns()
        self.binder = Binder()
        self.late = self.broken = 0
        self._now_s = -math.inf
        self._faces = Faces(self._face, self.binder.saw)
        self._voices: dict[int, Voice] = {}
        self._joints: dict[int, Joint] = {}
        self._bindings: deque[tuple[float, int]] = deque(maxlen=16)  # since when the voice is whose
        self._sound: SpeechActivity | None = None
        self._spoke_s = -math.inf
        self._quiet_from_s = -math.inf  # since when there was nothing but silence, as far as sound tells
        self._ended_s = -math.inf
        self._events: dict[int, list[Event]] = {}
        self._here: list[int] = []  # who was present at the last update

    def forget(self, person: int) -> None:
        """Keep nothing of `person`: not how they were, nor what is usual for them."""
        if self._faces.get(person) is not None:
            self._faces.lose(person, self._now_s)
        for known in (self._voices, self._joints, self._events):
            known.pop(person, None)
        self.turns.forget(person)

    def update(self, observations: Iterable[Observation], now_s: float) -> list[PersonState]:
        """Take in what came, in any order, and give the state of everybody present at `now_s`; [] for nobody."""
        now_s = self._now_s = max(now_s, self._now_s)  # batches of sound and picture may cross; time does not go back
        ends: list[TurnEnd] = []
        for seen in sorted(observations, key=lambda o: o.t_s if math.isfinite(o.t_s) else math.inf):
            if not intact(seen) or seen.t_s > now_s + _FUTURE_S:
                self.broken += 1
            elif isinstance(seen, SpeechActivity):
                self._heard(seen)
            elif isinstance(seen, TurnEnd):
                ends.append(seen)
            elif isinstance(seen, VoiceAffect | Prosody | Words):
                self._bind(seen.t_s)
                whose = self._said_by(seen) if isinstance(seen, Words) else self.binder.bound
                self._take_voice(self._voices.setdefault(whose, Voice()), seen)
            elif seen.person is None or seen.person < 1:
                self.broken += 1
            elif not self._faces.add(seen.person, seen):
                self.late += 1
        self._expire(now_s)
        self._bind(now_s)
        self._here = self._present(now_s)
        states = [self._state(person, now_s) for person in self._here]
        for state in states:
            self.turns.step(state, is_speaker=state.person == self.binder.bound)
        self._end_turns(ends, now_s)
        return [self._with_turn(state) for state in states]

    def left(self) -> list[Event]:
        """What there is to tell of people who are not present any more, once: that their face was lost, their turn's
        end. All else waits for their state."""
        told: list[Event] = []
        for person, events in self._events.items():
            if person not in self._here:
                told += [event for event in events if event.name in _LAST]
                events[:] = [event for event in events if event.name not in _LAST]
        return told

    def opposition(self, person: int) -> dict[Pair, float]:
        """How far the channels of `person` were opposed at the last update, in [-1, 1]; below 0 they agree."""
        joint = self._joints.get(person)
        return {} if joint is None else joint.levels

    # ------------------------------------------------------------ taking in

    def _heard(self, sound: SpeechActivity) -> None:
        if self._sound is not None and sound.t_s <= self._sound.t_s:
            self.late += 1
            return
        before, self._sound = self._sound, sound
        self.binder.heard(sound.t_s, sound.speaking)
        gap_s = 0.0 if before is None else sound.t_s - before.t_s
        if gap_s > _GAP_S:
            self._quiet_from_s = sound.t_s
        if not sound.speaking:
            return
        if self.turns.running and (
            sound.t_s - self._quiet_from_s > _SILENT_TURN_S or sound.t_s - self._spoke_s > _DEAF_S
        ):
            self._close(self._spoke_s, sound.t_s)
        self._spoke_s = self._quiet_from_s = sound.t_s
        if self.turns.begin(sound.t_s - sound.speech_s) or before is None or not before.speaking:
            self._bind(sound.t_s)
            self._voices.setdefault(self.binder.bound, Voice())
            self._tell("speech_start", sound.t_s, self.binder.bound)

    def _take_voice(self, voice: Voice, seen: VoiceAffect | Prosody | Words) -> None:
        if isinstance(seen, VoiceAffect):
            if not voice.affect.add(seen):
                self.late += 1
                return
        elif isinstance(seen, Prosody):
            if voice.prosody is not None and seen.t_s <= voice.prosody.t_s:
                self.late += 1
                return
            voice.prosody = seen
        else:
            if voice.words is not None and seen.t_s < voice.words.t_s:
                self.late += 1
                return
            voice.words = seen
        voice.newest_s = max(voice.newest_s, seen.t_s)

    # ------------------------------------------------------------ forgetting

    def _expire(self, now_s: float) -> None:
        self._faces.expire(now_s)
        for person, voice in list(self._voices.items()):
            if person != self.binder.bound and now_s - voice.newest_s > WORDS_S:
                del self._voices[person]
        for person in [p for p in self._joints if self._faces.get(p) is None and p not in self._voices]:
            del self._joints[person]

    # ------------------------------------------------------------ joining

    def _bind(self, now_s: float) -> None:
        before = self.binder.bound
        bound = self.binder.decide(now_s, self._faces)
        if bound != before:
            self._bindings.append((now_s, bound))
        if before == 0 and bound and 0 in self._voices and len(self._faces) == 1:
            self._voices[bound] = self._voices.pop(0)  # the voice now has its face

    def _said_by(self, words: Words) -> int:
        """Whose voice it was when `words` ended: they come late, and somebody else may speak by then."""
        then = next((person for since_s, person in reversed(self._bindings) if since_s <= words.end_s), None)
        return then if then in self._voices else self.binder.bound

    def _present(self, now_s: float) -> list[int]:
        people = sorted(self._faces)
        voice = self._voice(0)
        speaking = self._speaking(now_s) and self.binder.bound == 0
        if voice is not None and (speaking or now_s - voice.newest_s <= VOICE_S):
            people.insert(0, 0)
        return people

    def _voice(self, person: int) -> Voice | None:
        """What was heard of `person`; nothing, where somebody else has taken the turn since."""
        voice = self._voices.get(person)
        if voice is not None and person != self.binder.bound and voice.newest_s < self.turns.begun_s:
            return None
        return voice

    def _speaking(self, now_s: float) -> bool | None:
        sound = self._sound
        return None if sound is None or now_s - sound.t_s > SOUND_S else sound.speaking

    def _state(self, person: int, now_s: float) -> PersonState:
        face, voice = self._faces.get(person), self._voice(person)
        speaking = self._speaking(now_s)
        if speaking and person != self.binder.bound:
            speaking = False
        words = None if voice is None else voice.words
        if words is not None and now_s - words.t_s > WORDS_S:
            words = None
        heard = None if voice is None else voice.affect.read(now_s)
        shown = None if face is None else face.affect.read(now_s)
        channels = Channels(voice, face, heard, shown, words)
        joint = self._joints.setdefault(person, Joint())
        fused = joint.fused(channels)
        looks = None if face is None else attention(face, now_s)
        units = {} if face is None or shown is None or face.units is None else face.units.action_units
        prosody = None if voice is None or voice.prosody is None else voice.prosody
        if prosody is not None and now_s - prosody.t_s > VOICE_S:
            prosody = None
        return PersonState(
            person=person,
            t_s=now_s,
            turn=self.turns.count,
            speaking=speaking,
            face_box=face.box
            if face is not None and face.seen is not None and fresh(face.seen, now_s, FACE_S)
            else None,
            face=shown,
            voice=heard,
            fused=fused,
            action_units=units,
            attention=looks,
            drowsiness=None if face is None else drowsiness(face.eyes, now_s),
            prosody=prosody,
            words=None if words is None else words.text,
            incongruence=joint.disagreement(
                channels, now_s, self.binder.evidence if person == self.binder.bound else None
            ),
            cues=cues(
                fused=fused,
                voice=heard,
                units=units,
                attention=looks,
                averted=None if face is None or looks is None else face.averted,
                prosody=prosody,
                usual=self.turns.baseline(person),
            ),
        )

    # ------------------------------------------------------------ turns and events

    def _end_turns(self, ends: list[TurnEnd], now_s: float) -> None:
        for end in ends:
            if not end.final or end.t_s <= max(self._ended_s, self.turns.started_s):
                continue  # told before, or so late that it is the end of a turn that silence has ended
            self._ended_s = end.t_s
            self._close(end.speech_end_s, end.t_s)
        heard_s = self._spoke_s if self._sound is None else self._sound.t_s
        if self.turns.running and (
            heard_s - self._quiet_from_s > _SILENT_TURN_S or max(now_s - heard_s, heard_s - self._spoke_s) > _DEAF_S
        ):
            self._close(self._spoke_s, now_s)

    def _close(self, speech_end_s: float, t_s: float) -> None:
        summary = self.turns.end(speech_end_s)
        if summary is not None:
            told = summary.figures() | self.turns.session(summary.person)
            self._tell("turn_end", t_s, summary.person, **told)

    def _tell(self, name: str, t_s: float, person: int, **arguments: float) -> None:
        queue = self._events.setdefault(person, [])
        queue.append(Event(t_s=t_s, name=name, person=person, arguments=arguments))
        del queue[:-16]
        while len(self._events) > KEEP_TRACKS:
            del self._events[next(iter(self._events))]

    def _face(self, name: str, t_s: float, person: int) -> None:
        if name == "face_lost":
            self.binder.forget(person)
            if len(self._faces) == 1:  # whose it was is not known; whoever is left has no claim to it
                self._voices.pop(0, None)
        self._tell(name, t_s, person)

    def _with_turn(self, state: PersonState) -> PersonState:
        events = tuple(self._events.pop(state.person, ()))
        trend = self.turns.trend(state.person)
        return state if not events and trend is None else replace(state, events=events, trend=trend)
