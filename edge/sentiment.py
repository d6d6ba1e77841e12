"""What the words themselves say, pleasant or unpleasant: VADER (Hutto & Gilbert 2014) and our own word weights.

Both are loaded when words first come.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from models import sentiment

# "I'm fine" is a claim about one's own state, which a lexicon scores as barely positive (+0.2).
_REASSURANCE = re.compile(
    r"\b(?:i'?\s?a?m|it'?s|it is|everything(?:'s| is)?|all|we'?re|doing|feel(?:ing)?)\s+"
    r"(?:\w+\s+)?(?:fine|ok|okay|good|great|all right|alright|well|happy|perfect)\b"
    r"|\bno (?:problem|worries)\b|\bnothing(?:'s| is)? (?:wrong|the matter)\b|\bdon'?t worry\b",
    re.IGNORECASE,
)
_NEGATED = re.compile(r"\b(?:not|never|no longer|isn'?t|ain'?t|n'?t)\s+(?:\w+\s+)?(?:fine|ok|okay|good|great|all right|"
                      r"alright|well|happy|perfect)\b", re.IGNORECASE)  # fmt: skip
_CLAIM = 0.95
LANGUAGES = ("en",)


@lru_cache(maxsize=1)
def _analyzer() -> Any | None:
    try:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer
    except ImportError:
        return None
    return SentimentIntensityAnalyzer()


@lru_cache(maxsize=32)
def polarity(text: str, language: str | None) -> float | None:
    """-1 (unpleasant) … 1 (pleasant); None for no words, a language the lexicon does not know, or no lexicon."""
    if language is None or language.partition("-")[0].lower() not in LANGUAGES or not text.strip():
        return None
    analyzer = _analyzer()
    if analyzer is None:
        return None
    score = sentiment.load().polarity(text, float(analyzer.polarity_scores(text)["compound"]))
    if _REASSURANCE.search(text) and not _NEGATED.search(text) and score > -0.3:
        return max(score, _CLAIM)
    return score
