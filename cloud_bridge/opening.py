"""The first words, said at once while the language model thinks: fitted to the tone, varied, already synthesised."""

from __future__ import annotations

import re
from collections import deque

# They promise nothing and judge nothing, so that they fit whatever was said. The first list answers a statement, the
# second a question.
_LINES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "distress": (
        ("I'm here with you.", "I'm right here.", "I hear you, and I'm staying with you."),
        ("I'm here with you.", "I'm right here.", "Let's take this slowly."),
    ),
    "drowsy": (("Okay, in short.", "Right, briefly."), ("Okay, in short.", "The short answer.")),
    "masking": (
        ("Okay.", "Thank you for saying so.", "Mm, I see.", "All right."),
        ("Okay, let me see.", "Mm, let me think.", "All right, let's see."),
    ),
    "mixed": (("Hm, okay.", "Well now.", "Ah, I see."), ("Hm, let me think.", "Well, let's see.")),
    "angry": (
        ("I understand.", "Okay, that matters.", "I hear you.", "Right, let's sort this out."),
        ("That's a fair question.", "Okay, straight to it.", "Right, let's get this sorted."),
    ),
    "frustrated": (
        ("Okay, I hear you.", "Right, let's make this easier.", "I see the trouble."),
        ("Okay, straight to it.", "Fair question.", "Right, let's see."),
    ),
    "anxious": (
        ("Okay, we'll look at it together.", "I hear you.", "All right, one thing at a time."),
        ("Good that you ask.", "Let's look at it together.", "All right, one thing at a time."),
    ),
    "sad": (
        ("I hear you.", "Thank you for telling me.", "Mm, I'm with you.", "I'm listening."),
        ("Mm, let me think.", "I'm glad you ask me.", "Let's see, together."),
    ),
    "tired": (("Okay, gently then.", "All right, nice and easy."), ("Okay, the easy answer.", "All right, in short.")),
    "happy": (
        ("Oh, nice!", "That's lovely!", "Ha, great!", "Good to hear!"),
        ("Oh, good one!", "Ha, let's see!", "With pleasure!"),
    ),
    "surprised": (("Oh, I see.", "Yes, right."), ("Yes, let me explain.", "Well, let's see.")),
    "unsure": (("Okay, step by step.", "No rush."), ("Good that you ask.", "Sure, step by step.")),
    "distracted": (("Just quickly.", "One thing."), ("Just quickly.", "In short.")),
    "plain": (
        ("Okay.", "I see.", "All right.", "Got it."),
        ("Let me see.", "Sure.", "Let me think.", "Good question."),
    ),
}
_QUESTION = re.compile(
    r"\?\s*$|^\s*(?:what|when|where|who|whom|whose|which|why|how|is|are|was|were|do|does|did|can|could|will|would|should"
    r"|shall|may|have|has|am)\b",
    re.IGNORECASE,
)
_REMEMBERED = 3


def all_lines() -> list[str]:
    """Every opening once, the most used tones first."""
    order = ["plain", *(name for name in _LINES if name != "plain")]
    return list(dict.fromkeys(line for name in order for kind in _LINES[name] for line in kind))


def is_question(words: str) -> bool:
    """Whether `words` ask something, judged by their form."""
    return _QUESTION.search(words) is not None


def pick(tone: str, words: str, recent: deque[str], turn: int) -> str:
    """An opening for `tone` that is not among the `recent` ones, if it can be helped. The same input, the same line."""
    lines = _LINES[tone][is_question(words)]
    fresh = [line for line in lines if line not in list(recent)[-_REMEMBERED:]] or list(lines)
    return fresh[turn % len(fresh)]
