"""What a small model may not say: figures and feelings that nobody named, deeds it cannot do, and a shop's phrases.

A rule, not a model, decides; a sentence that it refuses is left out, and where nothing is left the tone's own sentence
is said.
"""

from __future__ import annotations

import re

_DEEDS = re.compile(
    r"\b(?:i|we)(?:'ll| will| can| could|'m going to| am going to| have|'ve)(?: now| just| already)? "
    r"(?:get|got|send|sent|call|ask|pay|refund|book|order|fetch|buy|bring|fix|repair|check|schedule|arrange|contact|email"
    r"|explain|look (?:it |that )?up|cancel|remind|set|turn|drive|meet|come|be there|try both|take care of it)\b"
    r"|\blet's (?:get|meet|call|go|drive|buy|book|order|start)\b",
    re.IGNORECASE,
)
_SHOP = re.compile(
    r"\blet me know\b|\bif you need (?:anything|any|more|help)|\bhow (?:can|may) i (?:help|assist)|\banything else\b"
    r"|\bas an ai\b|\bi(?:'m| am) (?:just )?an? (?:ai|assistant|language model)|\bfeel free\b|\bdon't hesitate\b",
    re.IGNORECASE,
)
_FIGURES = re.compile(
    r"\d+|\b(?:two|three|four|five|six|seven|eight|nine|ten|twelve|twenty|thirty|fifty|hundred|thousand|million)\b"
    r"(?=\s+(?:\w+\s+)?(?:miles?|kilomet\w+|meters?|hours?|minutes?|days?|weeks?|months?|years?|dollars?|euros?|percent"
    r"|degrees?|o'clock))",
    re.IGNORECASE,
)
_FEELINGS = re.compile(
    r"\b(?:sad|angry|upset|frustrat\w+|anxious|worried|nervous|scared|afraid|depressed|lonely|tired|sleepy|stress\w*)\b",
    re.IGNORECASE,
)
_CLAIMS = re.compile(
    r"\b(?:it's not your fault|you(?:'re| are) doing well|i know how you feel|i understand how you feel"
    r"|should (?:be (?:there|here|done|ready|fine|okay)|arrive)"
    r"|everything will be|you'll be (?:fine|okay)|it'll be (?:fine|okay)|no problem)\b",
    re.IGNORECASE,
)


def refuses(sentence: str, words: str) -> bool:
    """Whether `sentence` may not be said in answer to `words`: it promises, sells, or knows what it cannot know."""
    sentence, words = sentence.replace("’", "'"), words.replace("’", "'")  # models write both
    if _DEEDS.search(sentence) or _SHOP.search(sentence) or _CLAIMS.search(sentence):
        return True
    named = [*_FIGURES.findall(sentence), *_FEELINGS.findall(sentence)]
    return any(one.lower() not in words.lower() for one in named)
