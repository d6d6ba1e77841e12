"""Words that leave a sentence open: after them the person goes on, however finished it sounds."""

from __future__ import annotations

import re

# English, as the recognizer is. Words that often end a spoken sentence ("that", "is", "for", "on") are not among them.
_OPEN = re.compile(
    r"(?:\b(?:the|an?|my|your|our|their|and|or|but|because|if|when|while|although|unless|until|than|to|of|by|from|into"
    r"|as|at|i|he|she|we|they|very|i'm|we're|they're|he's|she's|it's|there's|let's|can't|don't|didn't)|,\s*so"
    r"|(?:are|is|was|were|am|will|would|could|should|can)\s+(?:the|not|being|going))[\s.,…-]*$",
    re.IGNORECASE,
)


def unfinished(text: str) -> bool:
    """Whether `text`, as heard, breaks off in the middle. A question mark says that it does not."""
    return _OPEN.search(text) is not None
