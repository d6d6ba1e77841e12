"""From a state to a tone: a fixed table, so that how anger, grief or sleepiness is met is decided here, not by a model.

The language model only finds words within the note. Whatever is unsure, old or weak leads to `plain`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edge.wire import mien_pb2

_OLD_MS = 15_000  # an affect older than this tells nothing of now
_SURE_PCT = 45  # calibrated; below it, the label is not acted upon
_STRONG_PCT = 50  # of cues and incongruence
LABELS = ("neutral", "happy", "sad", "angry", "fear", "disgust", "surprise", "contempt")


@dataclass(frozen=True, slots=True)
class Tone:
    """How to answer. `note`: for the language model. `fallback`: said when it is silent. `pace` > 1 is slower.

    `sentences`: at most so many of the model's. `closings`: said after them, one in turn: what a model may forget and
    must not, such as the offer of help. `delicate`: a small model is not let near it; opening and closing are all.
    """

    name: str
    note: str
    fallback: str
    pace: float = 1.0
    sentences: int = 2
    closings: tuple[str, ...] = ()
    delicate: bool = False


TONES = {
    tone.name: tone
    for tone in (
        Tone(
            "distress",
            "In distress. One short warm sentence. No advice, no jokes, no question.",
            "I'm here with you. Would you like me to get someone you trust?",
            pace=1.12,
            sentences=1,
            closings=("Would you like me to get someone you trust?", "Shall we call someone you trust, together?"),
            delicate=True,
        ),
        Tone(
            "drowsy",
            "Very sleepy. One short, clear sentence.",
            "You seem very sleepy. Please take a break as soon as it is safe.",
            sentences=1,
            closings=("And please take a break as soon as it is safe.",),
        ),
        Tone(
            "masking",
            "Fine words, low manner. Answer the words in one gentle sentence. Do not tell them what they feel, and "
            "ask nothing.",
            "I'm here if you want to talk.",
            pace=1.05,
            sentences=1,
            closings=(
                "Is there anything else on your mind?",
                "And how are things otherwise?",
                "I have time, you know.",
            ),
        ),
        Tone(
            "mixed",
            "Words and manner do not agree; it may be a joke. Answer lightly, then check what they mean.",
            "Tell me a little more, so that I get you right.",
        ),
        Tone(
            "angry",
            "Upset. Be calm and serious. Take their side on the problem, make no excuses, never say "
            "'calm down', and give one concrete next step.",
            "I take that seriously. Tell me what should be put right first.",
            sentences=1,
            closings=("What should be put right first?", "Which part of it shall we take first?"),
        ),
        Tone(
            "frustrated",
            "Losing patience. Own the difficulty and give one concrete next step.",
            "Let's make this simpler. What is the one thing you need now?",
        ),
        Tone(
            "anxious",
            "Worried. Be steady; promise nothing. Give one small next step.",
            "We can take it one small step at a time.",
            pace=1.08,
        ),
        Tone(
            "sad",
            "Down. Be gentle and warm. No cheering up, no advice. Show that you heard them.",
            "I'm glad you told me. I'm listening.",
            pace=1.08,
            sentences=1,
            closings=(
                "Do you want to tell me about it?",
                "I'm here, and there is no hurry.",
                "Tell me more, if you like.",
            ),
        ),
        Tone(
            "tired",
            "Tired. One short, easy sentence, and ask nothing of them.",
            "Let's keep it short for now.",
            pace=1.03,
            sentences=1,
        ),
        Tone(
            "happy",
            "In a good mood. Be bright, share it, and ask about it.",
            "That is good to hear. Tell me more!",
            pace=0.97,
        ),
        Tone(
            "surprised",
            "Surprised. Explain simply and calmly what is so.",
            "Let's look at it together.",
        ),
        Tone(
            "unsure",
            "Unsure. Simple words, one thought at a time. Help them decide.",
            "I can say it another way, if you like.",
        ),
        Tone(
            "distracted",
            "Looking elsewhere. One short sentence with the most important thing.",
            "I'll be brief.",
            sentences=1,
        ),
        Tone(
            "plain",
            "Nothing is known. Be friendly and plain, and say nothing about feelings.",
            "Could you tell me a little more?",
        ),
    )
}


def decide(state: mien_pb2.State | None, events: Iterable[str] = ()) -> Tone:
    """The tone for a person in `state` (None: nothing is known) after `events` (names). The first fitting rule wins."""
    names = {name.lower() for name in events}
    if _named(names, "distress") or (state is not None and _distress(state)):
        return TONES["distress"]
    if _named(names, "drows"):
        return TONES["drowsy"]
    if state is None:
        return TONES["plain"]
    if state.HasField("drowsiness") and state.drowsiness.level == mien_pb2.Drowsiness.DROWSY:
        return TONES["drowsy"]
    if (apart := _incongruent(state)) is not None:
        return TONES[apart]
    if _cue(state, "masking"):
        return TONES["masking"]
    label = _label(state)
    if label != "angry" and (
        _cue(state, "frustration") or "frustration rising" in state.trend or _named(names, "frustration")
    ):
        return TONES["frustrated"]
    by_label = {
        "angry": "angry",
        "contempt": "angry",
        "disgust": "frustrated",
        "fear": "anxious",
        "sad": "sad",
    }
    if label in by_label:
        return TONES[by_label[label]]
    if state.HasField("drowsiness") and state.drowsiness.level == mien_pb2.Drowsiness.TIRED:
        return TONES["tired"]
    if _cue(state, "uncertainty"):
        return TONES["unsure"]
    if label in ("happy", "surprise"):
        return TONES["happy" if label == "happy" or state.fused.valence >= 30 else "surprised"]
    if state.HasField("attention") and state.attention.away_ms >= 4_000:
        return TONES["distracted"]
    return TONES["plain"]


def _named(names: set[str], part: str) -> bool:
    return any(part in name for name in names)


def _cue(state: mien_pb2.State, name: str) -> bool:
    return int(state.cues_pct.get(name, 0)) >= _STRONG_PCT


def _trusted(affect: mien_pb2.Affect) -> bool:
    if affect.unclear or affect.age_ms > _OLD_MS or not affect.probs_pct:
        return False
    return not affect.HasField("confidence_pct") or affect.confidence_pct >= _SURE_PCT


def _affect(state: mien_pb2.State) -> mien_pb2.Affect | None:
    for part in ("fused", "voice", "face"):
        if state.HasField(part):
            affect = getattr(state, part)
            return affect if _trusted(affect) else None
    return None


def _label(state: mien_pb2.State) -> str | None:
    affect = _affect(state)
    if affect is None:
        return None
    shares = list(affect.probs_pct)[: len(LABELS)]
    return LABELS[shares.index(max(shares))]


def _distress(state: mien_pb2.State) -> bool:
    if _cue(state, "distress"):
        return True
    affect = _affect(state)
    return affect is not None and _label(state) in ("sad", "fear") and affect.valence <= -60 and affect.arousal >= 50


def _incongruent(state: mien_pb2.State) -> str | None:
    """`masking` when the channel that is not words is low, `mixed` for every other strong disagreement."""
    strong = [one for one in state.incongruence if one.strength_pct >= _STRONG_PCT]
    if not strong:
        return None
    between = mien_pb2.Incongruence
    channels = {between.WORDS_VOICE: ("voice",), between.WORDS_FACE: ("face",), between.VOICE_FACE: ("voice", "face")}
    for one in strong:
        for channel in channels.get(one.between, ()):
            if state.HasField(channel) and getattr(state, channel).valence <= -15:
                return "masking"
    return "mixed"
