"""English descriptions.

Another language is another file with the same names. HEARD and SEEN: label → words; PROSODY, UNITS, ATTENTION, DROWSY:
fact → words; LEANS, WORDS_LEAN: which way something leans → words; the rest are templates, with `{}` for such words,
and two functions: `fitted` puts right what the words need of each other, `trend` tells a course over turns.
Each has variants, so that neighbouring turns differ; the leads carry the doubt.
"""

from __future__ import annotations

import re

HEARD = {
    "neutral": ("even", "calm", "matter-of-fact"),
    "happy": ("cheerful", "bright", "upbeat"),
    "sad": ("sad", "low", "downcast"),
    "angry": ("angry", "sharp", "irritated"),
    "fear": ("anxious", "worried", "uneasy"),
    "disgust": ("displeased", "put off", "averse"),
    "surprise": ("surprised", "astonished", "startled"),
    "contempt": ("dismissive", "scornful", "cold"),
}
SEEN = {
    "neutral": ("calm", "neutral", "composed"),
    "happy": ("happy", "pleased", "cheerful"),
    "sad": ("sad", "downcast", "unhappy"),
    "angry": ("angry", "annoyed", "irritated"),
    "fear": ("anxious", "worried", "uneasy"),
    "disgust": ("displeased", "put off", "averse"),
    "surprise": ("surprised", "astonished", "startled"),
    "contempt": ("dismissive", "scornful", "doubting"),
}
# How sure: from 0.75, from 0.5, below; the first word of the line carries it.
VOICE_LEADS = (
    ("The voice sounds {}", "The tone is {}", "Speaks in a {} tone"),
    ("The voice seems {}", "The tone seems {}", "Probably a {} tone"),
    ("The voice may be {}", "Perhaps a {} tone", "The tone could be {}"),
)
FACE_LEADS = (
    ("The face looks {}", "Looks {}", "The expression is {}"),
    ("The face seems {}", "Seems {}", "Probably looks {}"),
    ("The face may be {}", "Perhaps {}", "The expression could be {}"),
)
VOICE_UNCLEAR = ("The tone is hard to read", "The tone stays unclear", "No clear feeling in the voice")
FACE_UNCLEAR = ("The expression is hard to read", "The expression stays unclear", "No clear feeling in the face")
VOICE_PLAIN = ("Speaks", "The voice is heard", "Talks")
FACE_PLAIN = ("The face is in view", "Face in view", "A face is seen")

PROSODY = {
    "fast": "fast",
    "slow": "slow",
    "pauses": "with long pauses",
    "rising": "pitch rising",
    "falling": "pitch falling",
    "flat": "flat pitch",
    "lively": "lively pitch",
}
UNITS = {
    "smile_eyes": "smiling, eyes too",
    "smile_mouth": "smiling with the mouth only",
    "brow_lower": "brows lowered",
    "brow_raise": "brows raised",
    "brow_inner_raise": "inner brows raised",
    "frown": "lip corners down",
    "lip_press": "lips pressed",
    "nose_wrinkle": "nose wrinkled",
    "eyes_wide": "eyes wide",
}
ATTENTION = {
    "on": "looking at the device",
    "away": "looking away",
    "away_long": "looking away for {seconds} s",
    "turned": "head turned aside",
}
DROWSY = {"tired": "eyes look tired", "drowsy": "eyes keep closing", "yawn": "yawning"}

INCONGRUENCE = {
    "words_voice": (
        "The words say one thing, the tone another: {}.",
        "Words and tone do not match: {}.",
        "What is said does not fit how it is said: {}.",
    ),
    "voice_face": (
        "Voice and face do not match: {}.",
        "Voice and face disagree: {}.",
        "Face and voice tell different things: {}.",
    ),
    "words_face": (
        "Words and face do not match: {}.",
        "The words do not fit the face: {}.",
        "What is said does not fit the face: {}.",
    ),
}
LEANS = {True: "pleasant", False: "unhappy"}  # of a voice or a face whose feeling is not clear
WORDS_LEAN = {True: "pleasant words", False: "unpleasant words"}
GAP = {"words_voice": "{}, {} voice", "words_face": "{}, {} face", "voice_face": "{} voice, {} face"}
CUES = {
    "uncertainty": (
        "May be unsure: hesitates and at times looks away.",
        "Hesitant speech and a gaze averted at times may mean doubt.",
        "Perhaps uncertain: hesitates, the gaze averted at times.",
    ),
    "masking": (
        "The smile may cover something: the eyes do not join in.",
        "May be putting on a smile: the eyes stay out of it.",
        "Perhaps a polite smile over another feeling.",
    ),
    "frustration": (
        "May be getting frustrated.",
        "Signs of frustration.",
        "Seems somewhat frustrated.",
    ),
    "confusion": (
        "May be confused: the brows are lowered.",
        "Perhaps puzzled.",
        "Looks a little confused.",
    ),
    "interest": (
        "Seems interested.",
        "Attentive and engaged, it seems.",
        "Appears to follow with interest.",
    ),
}
TREND = "{name} {direction} over {turns} turns."


def fitted(text: str) -> str:
    """`text`, in which words were put, as it is written: `a` before a vowel becomes `an`."""
    return re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", text)


def trend(name: str, direction: str, turns: int) -> str:
    """A trend as a sentence."""
    return TREND.format(name=name.capitalize(), direction=direction, turns=turns)
