"""Words that leave a sentence open: after them the person goes on, however finished it sounds, or mostly does."""

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
# A filler after words: whoever says it goes on. The recognizer writes it in many ways; "7 a.m.", "mm-hmm" and "the ER"
# are none.
_FILLER = re.compile(
    r"\w[\s,.?!…-]*(?:\s|,|…|\.\.)[\"']?(?:u+m+|u+h+|a+h+|(?-i:[Ee]rm?)|ur|(?<!mm\s)h+m+|(?<!\d\s)mm+)[\s.,?!…\"'-]*$",
    re.IGNORECASE,
)
# The recognizer closes whatever it hears with a full stop. A sentence may end with these words, but few do.
_SELDOM_LAST = re.compile(
    r"\b(?:was|were|are|be|been|has|had|would|could|should|may|might|must|really|quite|just|even|also|every|each|some|any"
    r"|no|such|these|those|with|without|through|under|which|who)[\s.,?!…-]*$",
    re.IGNORECASE,
)
# The same, but a question that begins like this often ends so: "What did you ask for?"
_ASKS = r"\W*(?:\w+\W+){0,2}(?:what|who|whom|which|where|how|when|why)\b"
_SELDOM_LAST_BUT_ASKED = re.compile(
    rf"^(?!{_ASKS}).*\b(?:about|for|since|during|between|against|whether|gets?|takes?|makes?|puts?|keeps?|brings?|gives?"
    r"|needs?|wants?)[\s.,?!…-]*$",
    re.IGNORECASE,
)


def leaning(text: str) -> bool:
    """Whether `text`, as heard, ends with a word that seldom ends a sentence."""
    return _SELDOM_LAST.search(text) is not None or _SELDOM_LAST_BUT_ASKED.search(text) is not None


def unfinished(text: str) -> bool:
    """Whether `text`, as heard, breaks off in the middle. "Where from?" does not."""
    return any(one.search(text) is not None for one in (_NEEDS_A_NOUN, _OPEN, _FILLER))
