"""One affect channel over time: follows change within a second, does not flicker, fades when nothing new comes."""

from __future__ import annotations

import math

from edge.fuse import UNCLEAR_BELOW, fade, unit, valence_arousal
from edge.incongruence import leaning
from edge.types import EMOTIONS, Affect, FaceAffect, VoiceAffect
from models.mood import Mood

_LEAD = 0.08  # a new label must lead by this much …
_LEAD_S = 0.4  # … or lead for this long
_LEAN_TAU_S = 1.0  # which way a channel leans is a sum of evidence: it begins at nothing and grows
_LEAN_GAP_S = 0.5  # one observation is evidence of no more time than this


class AffectChannel:
    """Smooths FaceAffect or VoiceAffect on the time axis of their `t_s`, whatever their rate.

    `tau_s`: time constant. Up to `fresh_s` after the newest observation the channel counts fully, then fades to
    nothing at `horizon_s`. Where an observation tells what the last second alone sounded like, that counts the more
    the more it differs from the whole, and models.mood gives the label.

    Confidence is a weighted mean of the observations' own, so it never exceeds the best of
    them; age only lowers it.
    """

    def __init__(self, *, tau_s: float, fresh_s: float, horizon_s: float) -> None:
        self._tau_s, self._fresh_s, self._horizon_s = tau_s, fresh_s, horizon_s
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.t_s = -math.inf
        self._probs: dict[str, float] = {}
        self._valence = self._arousal = 0.0
        self._confidence: float | None = None
        self._unclear = self._odds = 0.0
        self._derived = True
        self._label = ""
        self._leader, self._leads_from_s = "", 0.0
        self._mood: Mood | None = None

    def add(self, seen: FaceAffect | VoiceAffect) -> bool:
        """Take an observation; False when it is not newer than the last one (late or repeated: dropped)."""
        if seen.t_s <= self.t_s:
            return False
        total = sum(seen.probs.get(name, 0.0) for name in EMOTIONS)
        if not math.isfinite(total) or total <= 0:
            return False
        gap_s = seen.t_s - self.t_s
        weight = 1.0 if gap_s > self._horizon_s else 1 - math.exp(-gap_s / self._tau_s)
        if seen.unclear and weight < 1:
            weight *= 0.5
        if gap_s > self._horizon_s:
            self._label, self._odds = "", 0.0
            if self._mood is not None:
                self._mood.pause()
        old = 1 - weight
        probs, valence, arousal = _now(seen, total)
        self._probs = {n: old * self._probs.get(n, 0.0) + weight * probs.get(n, 0.0) for n in EMOTIONS}
        self._valence = old * self._valence + weight * valence
        self._arousal = old * self._arousal + weight * arousal
        self._unclear = old * self._unclear + weight * seen.unclear
        self._odds += (1 - math.exp(-min(gap_s, _LEAN_GAP_S) / _LEAN_TAU_S)) * (leaning(seen) - self._odds)
        if seen.confidence is not None:
            before = self._confidence
            kept = seen.confidence if before is None or weight == 1 else old * before + weight * seen.confidence
            self._confidence = kept
        elif weight == 1:
            self._confidence = None
        self._derived = seen.derived
        self.t_s = seen.t_s
        if isinstance(seen, VoiceAffect) and seen.recent:
            self._mood = self._mood or Mood()
            self._mood.hear(seen.t_s, *filter(None, (seen.probs, seen.recent, seen.latest)))
        self._relabel(seen.t_s)
        return True

    def _relabel(self, t_s: float) -> None:
        top = max(EMOTIONS, key=self._probs.__getitem__)
        if self._mood is not None:
            self._leader, self._label = top, self._mood.label or top
            return
        if top != self._leader:
            self._leader, self._leads_from_s = top, t_s
        if not self._label or (
            top != self._label
            and (self._probs[top] - self._probs[self._label] >= _LEAD or t_s - self._leads_from_s >= _LEAD_S)
        ):
            self._label = top

    def _is_unclear(self, probability: float) -> bool:
        if self._mood is not None:
            return not self._mood.sure
        return self._unclear > 0.5 or probability < UNCLEAR_BELOW

    def weight(self, now_s: float) -> float:
        """How much the channel still counts, 0–1."""
        age_s = now_s - self.t_s
        if age_s <= self._fresh_s:
            return 1.0
        return max(0.0, 1 - (age_s - self._fresh_s) / (self._horizon_s - self._fresh_s))

    def lean(self, now_s: float) -> float:
        """How pleasant the channel leans, in (-1, 1), as far as it still counts: its evidence of the last second."""
        return math.tanh(self._odds / 2) * self.weight(now_s)

    def read(self, now_s: float) -> Affect | None:
        """The channel as it stands at `now_s`; None once it is older than its horizon."""
        weight = self.weight(now_s)
        if not self._probs or weight <= 0:
            return None
        probs = self._probs if weight == 1 else fade(self._probs, weight)
        confidence = self._confidence
        if confidence is not None:
            confidence *= weight * self._probs[self._label] / max(self._probs[self._leader], 1e-9)
        return Affect(
            probs=probs,
            label=self._label,
            valence=self._valence * weight,
            arousal=self._arousal * weight,
            confidence=confidence,
            unclear=self._is_unclear(probs[self._label]),
            age_ms=max(0.0, (now_s - self.t_s) * 1000),
            derived=self._derived,
        )


def _now(seen: FaceAffect | VoiceAffect, total: float) -> tuple[dict[str, float], float, float]:
    """Probabilities, valence and arousal, leaning towards the last second as far as that is different."""
    probs = {name: seen.probs.get(name, 0.0) / total for name in EMOTIONS}
    if not isinstance(seen, VoiceAffect) or not seen.recent:
        return probs, seen.valence, seen.arousal
    recent = {name: seen.recent.get(name, 0.0) for name in EMOTIONS}
    differs = min(0.5 * sum(abs(recent[name] - probs[name]) for name in EMOTIONS), 1.0)
    mixed = {name: (1 - differs) * probs[name] + differs * recent[name] for name in EMOTIONS}
    (v, a), (v_mixed, a_mixed) = valence_arousal(probs), valence_arousal(mixed)
    return mixed, unit(seen.valence + v_mixed - v), unit(seen.arousal + a_mixed - a)
