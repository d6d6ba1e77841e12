"""Everybody in view: visual tracks become persons, who are lost, found again at their place, and forgotten."""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator

from edge.track import Box, Face, overlap
from edge.types import Eyes, FaceAffect, FaceLost, FaceSeen, Gaze, HeadPose, Observation

KEEP_TRACKS = 64
_GONE_S = 2.0  # not seen for so long, a face has left without a word
_REJOIN_S, _REJOIN_OVERLAP = 2.0, 0.3  # a face lost and found again at the same place is the same person

Tell = Callable[[str, float, int], None]
Mouth = Callable[[int, float, float], None]


class Faces:
    """The faces in view, by person. `tell(name, t_s, person)` hears of `face_found` and `face_lost`; `mouth(person,
    t_s, mouth_open)` of every mouth."""

    def __init__(self, tell: Tell, mouth: Mouth) -> None:
        self._tell, self._mouth = tell, mouth
        self._faces: dict[int, Face] = {}
        self._persons: OrderedDict[int, int] = OrderedDict()  # visual track → person
        self._lost_s: OrderedDict[int, float] = OrderedDict()
        self._gone: deque[tuple[int, float, Box]] = deque(maxlen=8)

    def __iter__(self) -> Iterator[int]:
        return iter(self._faces)

    def __len__(self) -> int:
        return len(self._faces)

    def get(self, person: int) -> Face | None:
        """What is known of a person's face; None for nobody in view."""
        return self._faces.get(person)

    def add(self, track: int, seen: Observation) -> bool:
        """Take in what was seen of a track; False when it is late or repeated, and dropped."""
        person = self._person(track, seen)
        face = self._faces.get(person)
        if isinstance(seen, FaceLost):
            if face is not None and seen.t_s >= face.newest_s:
                self.lose(person, seen.t_s)
            return True
        if seen.t_s <= self._lost_s.get(person, -math.inf):
            return False
        if face is None:
            face = self._faces[person] = Face()
            self._tell("face_found", seen.t_s, person)
        if not self._put(person, face, seen):
            return False
        face.newest_s = max(face.newest_s, seen.t_s)
        return True

    def expire(self, now_s: float) -> None:
        """Lose whoever was not seen for two seconds."""
        for person, face in list(self._faces.items()):
            if now_s - face.newest_s > _GONE_S:
                self.lose(person, face.newest_s)

    def lose(self, person: int, t_s: float) -> None:
        """A face that is in view has gone at `t_s`."""
        face = self._faces.pop(person)
        self._lost_s[person] = t_s
        self._lost_s.move_to_end(person)
        while len(self._lost_s) > KEEP_TRACKS:
            self._lost_s.popitem(last=False)
        if face.box is not None:
            self._gone.append((person, t_s, face.box))
        self._tell("face_lost", t_s, person)

    def _put(self, person: int, face: Face, seen: Observation) -> bool:
        match seen:
            case FaceSeen():
                if _late(seen, face.seen):
                    return False
                face.seen, face.box = seen, seen.box
                if seen.mouth_open is not None and not seen.partial:
                    self._mouth(person, seen.t_s, seen.mouth_open)
            case FaceAffect():
                if not face.affect.add(seen):
                    return False
                face.units = seen
            case HeadPose():
                if _late(seen, face.pose):
                    return False
                face.pose = seen
            case Gaze():
                if _late(seen, face.gaze):
                    return False
                face.gaze = seen
            case Eyes():
                if _late(seen, face.eyes):
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
            while len(self._persons) > KEEP_TRACKS:
                self._persons.popitem(last=False)
        return person


def _late(seen: Observation, newest: Observation | None) -> bool:
    return newest is not None and seen.t_s <= newest.t_s
