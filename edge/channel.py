"""One affect channel over time: follows change within a second, does not flicker, fades when nothing new comes."""

from __future__ import annotations

import math

from edge.fuse import UNCLEAR_BELOW, fade
from edge.incongruence import leaning
from edge.types import EMOTIONS, Affect, FaceAffect, VoiceAffect

_LEAD = 0.08  # a new label must lead by this much …
_LEAD_S = 0.4  # … or lead for this long


class AffectChannel:
    """Smooths FaceAffect or VoiceAffect on the time axis of their `t_s`, whatever their rate.

    `tau_s`: time constant. Up to `fresh_s` after the newest observation the channel counts fully, then fades to
    nothing at `horizon_s`. Confidence is a weighted mean of the observations' own, so it never exceeds the best of
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
        self._unclear = self._lean = 0.0
        self._derived = True
        self._label = ""
        self._leader, self._leads_from_s = "", 0.0

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
            self._label = ""
        old = 1 - weight
        self._probs = {n: old * self._probs.get(n, 0.0) + weight * seen.probs.get(n, 0.0) / total for n in EMOTIONS}
        self._valence = old * self._valence + weight * seen.valence
        self._arousal = old * self._arousal + weight * seen.arousal
        self._unclear = old * self._unclear + weight * seen.unclear
        self._lean = old * self._lean + weight * leaning(seen)
        if seen.confidence is not None:
            before = self._confidence
            kept = seen.confidence if before is None or weight == 1 else old * before + weight * seen.confidence
            self._confidence = kept
        elif weight == 1:
            self._confidence = None
        self._derived = seen.derived
        self.t_s = seen.t_s
        self._relabel(seen.t_s)
        return True

    def _relabel(self, t_s: float) -> None:
        top = max(EMOTIONS, key=self._probs.__getitem__)
        if top != self._leader:
            self._leader, self._leads_from_s = top, t_s
        if not self._label or (
            top != self._label
            and (self._probs[top] - self._probs[self._label] >= _LEAD or t_s - self._leads_from_s >= _LEAD_S)
        ):
            self._label = top

    def weight(self, now_s: float) -> float:
        """How much the channel still counts, 0–1."""
        age_s = now_s - self.t_s
        if age_s <= self._fresh_s:
            return 1.0
        return max(0.0, 1 - (age_s - self._fresh_s) / (self._horizon_s - self._fresh_s))

    def lean(self, now_s: float) -> float:
        """How pleasant the channel leans, in (-1, 1), as far as it still counts."""
        return self._lean * self.weight(now_s)

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
            unclear=self._unclear > 0.5 or probs[self._label] < UNCLEAR_BELOW,
            age_ms=max(0.0, (now_s - self.t_s) * 1000),
            derived=self._derived,
        )
