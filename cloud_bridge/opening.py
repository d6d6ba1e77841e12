"""The first words, said at once while the language model thinks: fitted to the tone, varied, already synthesised."""

from __future__ import annotations

import re
from collections.abc import Sequence

# They promise nothing and judge nothing, so that they fit whatever was said. The first list answers a statement, the
# second a question, the third what is not known yet: its words are still being read.
_LINES: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "distress": (
        ("I'm right here.", "I'm here with you.", "I hear you, and I'm staying with you."),
        ("I'm right here.", "I'm here with you.", "Let's take this slowly."),
        ("I'm right here.", "I'm here with you."),
    ),
    "drowsy": (("Okay, in short.", "Right, briefly."), ("Okay, in short.", "The short answer."), ("Okay, in short.",)),
    "masking": (
        ("Okay.", "All right.", "Mm, I see.", "Thank you for saying so."),
        ("Okay.", "Let me see.", "Mm, let me think.", "All right, let's see."),
        ("Okay.", "Mm.", "All right."),
    ),
    "mixed": (
        ("Hm, okay.", "Well now.", "Ah, I see."),
        ("Let's see.", "Hm, let me think.", "Well, let's see."),
        ("Hm, okay.", "Well now."),
    ),
    "angry": (
        ("I hear you.", "I understand.", "Okay, that matters.", "Right, let's sort this out."),
        ("Okay.", "Fair question.", "Okay, straight to it.", "Right, let's get this sorted."),
        ("Okay.", "Right.", "Yes."),
    ),
    "frustrated": (
        ("I see.", "Okay, I hear you.", "I see the trouble.", "Right, let's make this easier."),
        ("Okay.", "Fair question.", "Right, let's see.", "Okay, straight to it."),
        ("Okay.", "Right.", "Yes."),
    ),
    "anxious": (
        ("I hear you.", "All right.", "One thing at a time.", "Okay, we'll look at it together."),
        ("Let's see.", "All right.", "Good that you ask.", "Let's look at it together."),
        ("All right.", "Okay.", "Mm."),
    ),
    "sad": (
        ("I hear you.", "I'm listening.", "Mm, I'm with you.", "Thank you for telling me."),
        ("Let's see.", "Mm, let me think.", "I'm glad you ask me.", "Let's see, together."),
        ("Mm.", "Yes.", "Okay."),
    ),
    "tired": (
        ("Okay.", "Okay, gently then.", "All right, nice and easy."),
        ("Okay.", "Okay, the easy answer.", "In short."),
        ("Okay.", "All right."),
    ),
    "happy": (
        ("Oh, nice!", "Ha, great!", "That's lovely!", "Good to hear!"),
        ("Sure!", "Let's see!", "Oh, good one!", "With pleasure!"),
        ("Oh!", "Ah!", "Yes!"),
    ),
    "surprised": (
        ("Oh, I see.", "Yes, right."),
        ("Let's see.", "Well, let's see.", "Yes, let me explain."),
        ("Well.", "Yes.", "Okay."),
    ),
    "unsure": (
        ("No rush.", "Okay.", "Okay, step by step."),
        ("Sure.", "Let's see.", "Good that you ask."),
        ("Okay.", "All right."),
    ),
    "distracted": (("One thing.", "Just quickly."), ("In short.", "Just quickly."), ("Just quickly.", "Okay.")),
    "plain": (
        ("Okay.", "I see.", "All right.", "Got it."),
        ("Sure.", "Let me see.", "Let me think.", "Good question."),
        ("Right.", "Okay.", "Mm.", "All right."),
    ),
}
_QUESTION = re.compile(
    r"\?\s*$|^\s*(?:what|when|where|who|whom|whose|which|why|how|is|are|was|were|do|does|did|can|could|will|would|should"
    r"|shall|may|have|has|am)\b",
    re.IGNORECASE,
)
_REMEMBERED = 3
_BRIEF = 6  # characters: 0.3–0.5 s


def all_lines() -> list[str]:
    """Every opening once, the most used tones first."""
    order = ["plain", *(name for name in _LINES if name != "plain")]
    return list(dict.fromkeys(line for name in order for kind in _LINES[name] for line in kind))


def is_question(words: str) -> bool:
    """Whether `words` ask something, judged by their form."""
    return _QUESTION.search(words) is not None


def pick(tone: str, words: str | None, recent: Sequence[str], turn: int, *, brief: bool) -> str:
    """An opening for `tone` that is not among the `recent` ones, if it can be helped. The same input, the same line.

    `words` None: they are not known yet. `brief`: for a quick model, whose answer the opening should not hold up.
    """
    lines = _LINES[tone][2 if brief or words is None else is_question(words)]
    if brief:
        shortest = min(map(len, lines))
        lines = tuple(line for line in lines if len(line) <= max(_BRIEF, shortest))
    fresh = [line for line in lines if line not in list(recent)[-_REMEMBERED:]] or list(lines)
    return fresh[turn % len(fresh)]
