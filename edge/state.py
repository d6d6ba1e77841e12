"""One person, one time frame: observations of all channels become the state of everybody present.

Rules, by signal: an observation that is not newer than the last one of its signal and person is dropped as late; one
from the future or with a broken time is dropped; each part fades with its own age and is None once it is stale.
Nothing but an observation makes a person: a visual track (1, 2, …), or a voice that no face is bound to (0).
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping
from dataclasses import replace

from edge import sentiment
from edge.bind import Binder
from edge.cues import cues
from edge.fuse import fuse
from edge.incongruence import Disagreement, Pair, Side
from edge.track import VOICE_S, Box, Face, Voice, attention, drowsiness, fresh, overlap
from edge.turns import Turns
from edge.types import (
    Affect,
    Event,
    Eyes,
    FaceAffect,
    FaceLost,
    FaceSeen,
    Gaze,
    HeadPose,
    Incongruence,
    Observation,
    PersonState,
    Prosody,
    SpeechActivity,
    TurnEnd,
    VoiceAffect,
    Words,
)

FACE_S, SOUND_S, WORDS_S = 1.0, 1.0, 30.0  # older than this is stale
_FUTURE_S = 1.0  # clocks of one machine do not differ by more
_SILENT_TURN_S = 3.0  # a turn whose end no detector told ends after this much silence
_REJOIN_S, _REJOIN_OVERLAP = 2.0, 0.3  # a face lost and found again at the same place is the same person
_KEEP_TRACKS = 64


class People:
    """Everybody whom the device perceives. Not thread-safe; one update per tick of the loop.

    `late` counts observations dropped as late or repeated, `broken` those with an impossible time or track.
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
        self._faces: dict[int, Face] = {}
        self._voices: dict[int, Voice] = {}
        self._gaps: dict[int, Disagreement] = {}
        self._persons: OrderedDict[int, int] = OrderedDict()  # visual track → person
        self._lost_s: OrderedDict[int, float] = OrderedDict()
        self._gone: deque[tuple[int, float, Box]] = deque(maxlen=8)
        self._sound: SpeechActivity | None = None
        self._spoke_s = -math.inf
        self._ended_s = -math.inf
        self._joint: dict[int, tuple[Mapping[str, float], Mapping[str, float], Affect]] = {}  # the last one's inputs
        self._sure: dict[int, tuple[tuple[float, float], float]] = {}  # newest evidence, confidence then
        self._events: dict[int, list[Event]] = {}

    def update(self, observations: Iterable[Observation], now_s: float) -> list[PersonState]:
        """Take in what came, in any order, and give the state of everybody present at `now_s`; [] for nobody."""
        now_s = self._now_s = max(now_s, self._now_s)  # batches of sound and picture may cross; time does not go back
        ends: list[TurnEnd] = []
        for seen in sorted(observations, key=lambda o: o.t_s if math.isfinite(o.t_s) else math.inf):
            if not math.isfinite(seen.t_s) or seen.t_s > now_s + _FUTURE_S:
                self.broken += 1
            elif isinstance(seen, SpeechActivity):
                self._heard(seen)
            elif isinstance(seen, TurnEnd):
                ends.append(seen)
            elif isinstance(seen, VoiceAffect | Prosody | Words):
                self._bind(seen.t_s)
                self._take_voice(self._voices.setdefault(self.binder.bound, Voice()), seen)
            elif seen.person is None or seen.person < 1:
                self.broken += 1
            else:
                self._take_face(seen.person, seen)
        self._expire(now_s)
        self._bind(now_s)
        states = [self._state(person, now_s) for person in self._present(now_s)]
        for state in states:
            self.turns.step(state, is_speaker=state.person == self.binder.bound)
        self._end_turns(ends, now_s)
        return [self._with_turn(state) for state in states]

    def opposition(self, person: int) -> dict[Pair, float]:
        """How far the channels of `person` were opposed at the last update, in [-1, 1]; below 0 they agree."""
        gap = self._gaps.get(person)
        return {} if gap is None else gap.levels

    # ------------------------------------------------------------ taking in

    def _heard(self, sound: SpeechActivity) -> None:
        if self._sound is not None and sound.t_s <= self._sound.t_s:
            self.late += 1
            return
        before, self._sound = self._sound, sound
        self.binder.heard(sound.t_s, sound.speaking)
        if not sound.speaking:
            return
        if self.turns.running and sound.t_s - self._spoke_s > _SILENT_TURN_S:
            self._close(self._spoke_s, sound.t_s)
        self._spoke_s = sound.t_s
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

    def _take_face(self, track: int, seen: Observation) -> None:
        person = self._person(track, seen)
        face = self._faces.get(person)
        if isinstance(seen, FaceLost):
            if face is not None and seen.t_s >= face.newest_s:
                self._lose(person, seen.t_s)
            return
        if seen.t_s <= self._lost_s.get(person, -math.inf):
            self.late += 1
            return
        if face is None:
            face = self._faces[person] = Face()
            self._tell("face_found", seen.t_s, person)
        if not self._put(person, face, seen):
            self.late += 1
            return
        face.newest_s = max(face.newest_s, seen.t_s)

    def _put(self, person: int, face: Face, seen: Observation) -> bool:
        match seen:
            case FaceSeen():
                if face.seen is not None and seen.t_s <= face.seen.t_s:
                    return False
                face.seen, face.box = seen, seen.box
                if seen.mouth_open is not None and not seen.partial:
                    self.binder.saw(person, seen.t_s, seen.mouth_open)
            case FaceAffect():
                if not face.affect.add(seen):
                    return False
                face.units = seen
            case HeadPose():
                if face.pose is not None and seen.t_s <= face.pose.t_s:
                    return False
                face.pose = seen
            case Gaze():
                if face.gaze is not None and seen.t_s <= face.gaze.t_s:
                    return False
                face.gaze = seen
            case Eyes():
                if face.eyes is not None and seen.t_s <= face.eyes.t_s:
                    return False
                face.eyes = seen
        return True

    def _person(self, track: int, seen: Observation) -> int:
        """The person of a visual track: a new track at the place of a face just lost is the same person."""
        person = self._persons.get(track)
        if person is None:
            person = track
            if isinstance(seen, FaceSeen):
                for old, lost_s, box in self._gone:
                    near = 0 <= seen.t_s - lost_s <= _REJOIN_S and overlap(box, seen.box) >= _REJOIN_OVERLAP
                    if near and old not in self._faces:
                        person = old
            self._persons[track] = person
            while len(self._persons) > _KEEP_TRACKS:
                self._persons.popitem(last=False)
        return person

    # ------------------------------------------------------------ forgetting

    def _expire(self, now_s: float) -> None:
        for person, face in list(self._faces.items()):
            if now_s - face.newest_s > max(FACE_S, 2.0):
                self._lose(person, face.newest_s)
        for person, voice in list(self._voices.items()):
            if person != self.binder.bound and now_s - voice.newest_s > WORDS_S:
                del self._voices[person]
        for person in [p for p in self._gaps if p not in self._faces and p not in self._voices]:
            del self._gaps[person]
            self._sure.pop(person, None)
            self._joint.pop(person, None)

    def _lose(self, person: int, t_s: float) -> None:
        face = self._faces.pop(person)
        self.binder.forget(person)
        self._lost_s[person] = t_s
        self._lost_s.move_to_end(person)
        while len(self._lost_s) > _KEEP_TRACKS:
            self._lost_s.popitem(last=False)
        if face.box is not None:
            self._gone.append((person, t_s, face.box))
        self._tell("face_lost", t_s, person)

    # ------------------------------------------------------------ joining

    def _bind(self, now_s: float) -> None:
        before = self.binder.bound
        bound = self.binder.decide(now_s, self._faces)
        if before == 0 and bound and 0 in self._voices and len(self._faces) == 1:
            self._voices[bound] = self._voices.pop(0)  # the voice now has its face

    def _present(self, now_s: float) -> list[int]:
        people = sorted(self._faces)
        voice = self._voices.get(0)
        speaking = self._speaking(now_s) and self.binder.bound == 0
        if voice is not None and (speaking or now_s - voice.newest_s <= VOICE_S):
            people.insert(0, 0)
        return people

    def _speaking(self, now_s: float) -> bool | None:
        sound = self._sound
        return None if sound is None or now_s - sound.t_s > SOUND_S else sound.speaking

    def _state(self, person: int, now_s: float) -> PersonState:
        face, voice = self._faces.get(person), self._voices.get(person)
        speaking = self._speaking(now_s)
        if speaking and person != self.binder.bound:
            speaking = False
        heard = None if voice is None else voice.affect.read(now_s)
        shown = None if face is None else face.affect.read(now_s)
        fused = self._fused(person, heard, shown, voice, face)
        looks = None if face is None else attention(face, now_s)
        units = {} if face is None or shown is None or face.units is None else face.units.action_units
        prosody = None if voice is None or voice.prosody is None else voice.prosody
        if prosody is not None and now_s - prosody.t_s > VOICE_S:
            prosody = None
        words = None if voice is None else voice.words
        if words is not None and now_s - words.t_s > WORDS_S:
            words = None
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
            incongruence=self._disagreement(
                person,
                now_s,
                None if voice is None or heard is None else Side(heard, voice.affect.lean(now_s)),
                None if face is None or shown is None else Side(shown, face.affect.lean(now_s)),
                words,
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

    def _fused(
        self, person: int, heard: Affect | None, shown: Affect | None, voice: Voice | None, face: Face | None
    ) -> Affect | None:
        """The joint affect. With nothing new its confidence may only fall: an old doubt that fades proves nothing."""
        if heard is None or shown is None:
            self._joint.pop(person, None)
            fused = fuse(heard, shown)
        else:
            before = self._joint.get(person)
            if before is not None and before[0] is heard.probs and before[1] is shown.probs:
                fused = replace(before[2], age_ms=min(heard.age_ms, shown.age_ms))  # nothing new, nothing faded
            else:
                fused = fuse(heard, shown)
                assert fused is not None
                self._joint[person] = (heard.probs, shown.probs, fused)
        if fused is None or fused.confidence is None:
            self._sure.pop(person, None)
            return fused
        newest_s = (voice.affect.t_s if voice else -math.inf, face.affect.t_s if face else -math.inf)
        then, limit = self._sure.get(person, (None, 1.0))
        sure = min(fused.confidence, limit) if then == newest_s else fused.confidence
        self._sure[person] = (newest_s, sure)
        if sure < fused.confidence:
            return replace(fused, confidence=sure)
        return fused

    def _disagreement(
        self, person: int, now_s: float, voice: Side | None, face: Side | None, words: Words | None
    ) -> tuple[Incongruence, ...]:
        polarity = None if words is None else sentiment.polarity(words.text, words.language)
        evidence = self.binder.evidence if person == self.binder.bound else None
        gap = self._gaps.setdefault(person, Disagreement())
        return gap.step(
            now_s,
            voice=voice,
            face=face,
            words=polarity,
            same_person=1.0 if evidence is None else min(1.0, 2 * evidence),
        )

    # ------------------------------------------------------------ turns and events

    def _end_turns(self, ends: list[TurnEnd], now_s: float) -> None:
        for end in ends:
            if not end.final or end.t_s <= self._ended_s:
                continue
            self._ended_s = end.t_s
            self._close(end.speech_end_s, end.t_s)
        if self.turns.running and now_s - self._spoke_s > _SILENT_TURN_S:
            self._close(self._spoke_s, now_s)

    def _close(self, speech_end_s: float, t_s: float) -> None:
        summary = self.turns.end(speech_end_s)
        if summary is not None:
            self._tell("turn_end", t_s, summary.person, turn=summary.turn, speech_s=round(summary.speech_s, 2))

    def _tell(self, name: str, t_s: float, person: int, **arguments: float) -> None:
        queue = self._events.setdefault(person, [])
        queue.append(Event(t_s=t_s, name=name, person=person, arguments=arguments))
        del queue[:-16]
        while len(self._events) > _KEEP_TRACKS:
            del self._events[next(iter(self._events))]

    def _with_turn(self, state: PersonState) -> PersonState:
        events = tuple(self._events.pop(state.person, ()))
        trend = self.turns.trend(state.person)
        return state if not events and trend is None else replace(state, events=events, trend=trend)
