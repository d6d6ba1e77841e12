"""Words that leave a sentence open: after them the person goes on, however finished it sounds."""

from __future__ import annotations

import re

# English, as the recognizer is. Words that often end a spoken sentence ("that", "is", "for", "on") are not among them.
_NEEDS_A_NOUN = re.compile(r"\b(?:the|an?|my|your|our|their)[\s.,?!…-]*$", re.IGNORECASE)
_OPEN = re.compile(
    r"(?:\b(?:and|or|but|because|if|when|while|although|unless|until|than|to|of|by|from|into|as|at|i|he|she|we|they|very"
    r"|i'm|we're|they're|he's|she's|it's|there's|let's|can't|don't|didn't)|,\s*so"
    r"|\b(?:are|is|was|were|am|will|would|could|should|can)\s+(?:not|being|going))[\s.,…-]*$",
    re.IGNORECASE,
)


def unfinished(text: str) -> bool:
    """Whether `text`, as heard, breaks off in the middle. "Where from?" does not."""
    return _NEEDS_A_NOUN.search(text) is not None or _OPEN.search(text) is not None
