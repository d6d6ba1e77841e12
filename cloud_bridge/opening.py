"""The first words, said at once while the language model thinks: fitted to the tone, varied, already synthesised."""

from __future__ import annotations

import re
from collections.abc import Sequence

# They promise nothing and judge nothing, so that they fit whatever was said. The first list answers a statement, the
# second a question.
_LINES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "distress": (
        ("I'm right here.", "I'm here with you.", "I hear you, and I'm staying with you."),
        ("I'm right here.", "I'm here with you.", "Let's take this slowly."),
    ),
    "drowsy": (("Okay, in short.", "Right, briefly."), ("Okay, in short.", "The short answer.")),
    "masking": (
        ("Okay.", "All right.", "Mm, I see.", "Thank you for saying so."),
        ("Okay.", "Let me see.", "Mm, let me think.", "All right, let's see."),
    ),
    "mixed": (("Hm, okay.", "Well now.", "Ah, I see."), ("Let's see.", "Hm, let me think.", "Well, let's see.")),
    "angry": (
        ("I hear you.", "I understand.", "Okay, that matters.", "Right, let's sort this out."),
        ("Okay.", "Fair question.", "Okay, straight to it.", "Right, let's get this sorted."),
    ),
    "frustrated": (
        ("I see.", "Okay, I hear you.", "I see the trouble.", "Right, let's make this easier."),
        ("Okay.", "Fair question.", "Right, let's see.", "Okay, straight to it."),
    ),
    "anxious": (
        ("I hear you.", "All right.", "One thing at a time.", "Okay, we'll look at it together."),
        ("Let's see.", "All right.", "Good that you ask.", "Let's look at it together."),
    ),
    "sad": (
        ("I hear you.", "I'm listening.", "Mm, I'm with you.", "Thank you for telling me."),
        ("Let's see.", "Mm, let me think.", "I'm glad you ask me.", "Let's see, together."),
    ),
    "tired": (
        ("Okay.", "Okay, gently then.", "All right, nice and easy."),
        ("Okay.", "Okay, the easy answer.", "In short."),
    ),
    "happy": (
        ("Oh, nice!", "Ha, great!", "That's lovely!", "Good to hear!"),
        ("Sure!", "Let's see!", "Oh, good one!", "With pleasure!"),
    ),
    "surprised": (("Oh, I see.", "Yes, right."), ("Let's see.", "Well, let's see.", "Yes, let me explain.")),
    "unsure": (("No rush.", "Okay.", "Okay, step by step."), ("Sure.", "Let's see.", "Good that you ask.")),
    "distracted": (("One thing.", "Just quickly."), ("In short.", "Just quickly.")),
    "plain": (
        ("Okay.", "I see.", "All right.", "Got it."),
        ("Sure.", "Let me see.", "Let me think.", "Good question."),
    ),
}
_QUESTION = re.compile(
    r"\?\s*$|^\s*(?:what|when|where|who|whom|whose|which|why|how|is|are|was|were|do|does|did|can|could|will|would|should"
    r"|shall|may|have|has|am)\b",
    re.IGNORECASE,
)
_REMEMBERED = 3
_BRIEF = 12  # characters: about half a second


def all_lines() -> list[str]:
    """Every opening once, the most used tones first."""
    order = ["plain", *(name for name in _LINES if name != "plain")]
    return list(dict.fromkeys(line for name in order for kind in _LINES[name] for line in kind))


def is_question(words: str) -> bool:
    """Whether `words` ask something, judged by their form."""
    return _QUESTION.search(words) is not None


def pick(tone: str, words: str, recent: Sequence[str], turn: int, *, brief: bool) -> str:
    """An opening for `tone` that is not among the `recent` ones, if it can be helped. The same input, the same line.

    `brief`: for a quick model, whose answer the opening should not hold up.
    """
    lines = _LINES[tone][is_question(words)]
    if brief:
        shortest = min(map(len, lines))
        lines = tuple(line for line in lines if len(line) <= max(_BRIEF, shortest))
    fresh = [line for line in lines if line not in list(recent)[-_REMEMBERED:]] or list(lines)
    return fresh[turn % len(fresh)]
