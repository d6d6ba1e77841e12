"""Join voice and face into one judgement, as people do (`models.fusion`), and compute valence and arousal from it."""

from __future__ import annotations

import math
from collections.abc import Mapping

from edge.types import EMOTIONS, Affect
from models import fusion

# Where the categories lie in the circumplex, valence and arousal in [-1, 1]: mean ratings of the words by people,
# rounded (Russell 1980; Warriner et al. 2013).
CIRCUMPLEX: Mapping[str, tuple[float, float]] = {
    "neutral": (0.0, 0.0),
    "happy": (0.8, 0.5),
    "sad": (-0.7, -0.4),
    "angry": (-0.6, 0.7),
    "fear": (-0.6, 0.6),
    "disgust": (-0.6, 0.3),
    "surprise": (0.2, 0.7),
    "contempt": (-0.5, 0.1),
}
_FACE_ONLY = ("surprise", "contempt")  # the raters of the fusion votes could not say these
_FACE_WEIGHT = 0.75  # share of the face in a joint judgement (best mixture of raters' votes, dev actors)
UNCLEAR_BELOW = 0.4  # probability of the leading label under which a state says that it does not know


def valence_arousal(probs: Mapping[str, float]) -> tuple[float, float]:
    """Valence and arousal in [-1, 1]: the expected place in the circumplex."""
    valence = sum(p * CIRCUMPLEX[name][0] for name, p in probs.items())
    arousal = sum(p * CIRCUMPLEX[name][1] for name, p in probs.items())
    return unit(valence), unit(arousal)


def fade(probs: Mapping[str, float], weight: float) -> dict[str, float]:
    """`probs` drawn towards "could be anything" as `weight` falls from 1 to 0."""
    rest = (1 - weight) / len(EMOTIONS)
    return {name: weight * probs.get(name, 0.0) + rest for name in EMOTIONS}


def fuse(voice: Affect | None, face: Affect | None) -> Affect | None:
    """The joint affect; with one channel missing the other one as it is; None when there is none.

    Raters guess at a mild displeasure where an actor shows nothing, and the model learned it from them: as far as both
    channels are calm, the joint judgement is their mean. The confidence is the probability of the joint label, but
    never more than both channels' own confidences support (noisy-or), and None when neither channel has one.
    """
    if voice is None or face is None:
        return face if voice is None else voice
    only_face = sum(face.probs.get(name, 0.0) for name in _FACE_ONLY)
    face_six = _six(face.probs)
    voice_six = _six(voice.probs)
    coarse = voice.probs.get("fear", 0.0) + voice.probs.get("disgust", 0.0) < 0.02
    joint = fusion.load().join(voice_six, face_six, coarse=coarse)
    kept = _FACE_WEIGHT * only_face
    calm = min(voice_six[0], face_six[0])
    six = [(1 - calm) * float(joint[i]) + calm * (voice_six[i] + face_six[i]) / 2 for i in range(len(fusion.CLASSES))]
    probs = {name: (1 - kept) * six[i] for i, name in enumerate(fusion.CLASSES)}
    probs |= {name: _FACE_WEIGHT * face.probs.get(name, 0.0) for name in _FACE_ONLY}
    label = max(EMOTIONS, key=probs.__getitem__)
    valence, arousal = valence_arousal(probs)
    return Affect(
        probs=probs,
        label=label,
        valence=valence,
        arousal=arousal,
        confidence=_confidence(probs[label], voice.confidence, face.confidence),
        unclear=probs[label] < UNCLEAR_BELOW or (voice.unclear and face.unclear),
        age_ms=min(voice.age_ms, face.age_ms),
    )


def _confidence(joint: float, voice: float | None, face: float | None) -> float | None:
    if voice is None and face is None:
        return None
    return min(joint, 1 - (1 - (voice or 0.0)) * (1 - (face or 0.0)))


def _six(probs: Mapping[str, float]) -> list[float]:
    values = [max(probs.get(name, 0.0), 0.0) for name in fusion.CLASSES]
    total = sum(values)
    if not math.isfinite(total) or total <= 1e-6:
        return [1 / 6] * 6
    return [value / total for value in values]


def unit(value: float) -> float:
    """`value`, held to [-1, 1]."""
    return min(max(value, -1.0), 1.0)
