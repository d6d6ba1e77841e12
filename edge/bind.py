"""Whose voice is it: lips that move while speech is heard bind the one voice to a face."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable

_WINDOW_S = 1.6
_MOVING = 0.02  # standard deviation of mouth_open (gap / width): a still mouth stays under 0.01, talk is 0.05–0.15
_CLEARLY = 1.6  # another face must move this much more than the bound one to take the voice
_EVERY_S = 0.1  # a decision holds this long
_ELSEWHERE_S = 1.0  # of speech with all lips at rest
_ENOUGH = 4  # samples of a mouth before anything is said of it


class Binder:
    """Keeps the last seconds of speech activity and of every mouth, and tells who speaks.

    One face alone is bound directly, and `evidence` still tells whether its lips agree. Several: the liveliest mouth
    during speech; nobody (0) while no mouth moves.
    """

    def __init__(self) -> None:
        self._speech: deque[tuple[float, bool]] = deque(maxlen=128)
        self._mouths: dict[int, deque[tuple[float, float]]] = {}
        self._faces: list[int] = []
        self._decided_s = -math.inf
        self.bound = 0
        self.evidence: float | None = None  # 0–1: lips move with the voice; None: not known

    def heard(self, t_s: float, speaking: bool) -> None:
        """A speech activity observation."""
        self._speech.append((t_s, speaking))

    def saw(self, person: int, t_s: float, mouth_open: float) -> None:
        """A mouth."""
        self._mouths.setdefault(person, deque(maxlen=64)).append((t_s, mouth_open))

    def forget(self, person: int) -> None:
        """The face is gone."""
        self._mouths.pop(person, None)
        if self.bound == person:
            self.bound, self.evidence = 0, None

    def decide(self, now_s: float, present: Iterable[int]) -> int:
        """The person whose voice it is, or 0 (heard, not seen)."""
        faces = list(present)
        if self.bound and self.bound not in faces:
            self.bound, self.evidence = 0, None
        if not faces:
            return 0
        if faces == self._faces and 0 <= now_s - self._decided_s < _EVERY_S:
            return self.bound
        self._faces, self._decided_s = faces, now_s
        speech_s = [t_s for t_s, speaking in self._speech if speaking and now_s - t_s <= _WINDOW_S]
        motion = {person: self._motion(person, min(speech_s), max(speech_s)) for person in faces} if speech_s else {}
        if len(faces) == 1:
            self.bound = faces[0]
            self._witness(motion.get(self.bound))
            return self.bound
        known = {person: value for person, value in motion.items() if value is not None}
        if known:
            best = max(known, key=known.__getitem__)
            current = known.get(self.bound, 0.0)
            if known[best] >= _MOVING and (not self.bound or known[best] >= _CLEARLY * max(current, _MOVING)):
                self.bound = best
            elif known[best] < _MOVING and self.bound in known and max(speech_s) - min(speech_s) >= _ELSEWHERE_S:
                self.bound, self.evidence = 0, None  # who spoke last is silent: this voice is of somebody out of view
            self._witness(known.get(self.bound))
        return self.bound

    def _motion(self, person: int, first_s: float, last_s: float) -> float | None:
        gaps = [gap for t_s, gap in self._mouths.get(person, ()) if first_s - 0.1 <= t_s <= last_s + 0.1]
        if len(gaps) < _ENOUGH:
            return None
        mean = sum(gaps) / len(gaps)
        return math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))

    def _witness(self, motion: float | None) -> None:
        if motion is not None:
            self.evidence = motion / (motion + _MOVING)
