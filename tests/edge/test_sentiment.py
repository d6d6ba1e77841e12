"""What the words say: pleasant, unpleasant, or nothing that can be judged."""

from __future__ import annotations

import subprocess
import sys

import pytest

from edge.sentiment import polarity


@pytest.mark.parametrize(
    "text",
    [
        "I'm fine",
        "I am fine, really.",
        "It's okay, don't worry",
        "Everything is great",
        "No problem at all",
        "I feel good",
    ],
)
def test_reassurance_is_a_pleasant_claim(text: str) -> None:
    """A lexicon alone scores "I'm fine" as barely positive; as a claim of wellbeing it is more."""
    score = polarity(text, "en")
    assert score is not None
    assert score >= 0.5


@pytest.mark.parametrize("text", ["I'm not fine", "it isn't okay", "This is terrible", "My dog died", "I hate this"])
def test_unpleasant_words(text: str) -> None:
    """Negated reassurance is none."""
    score = polarity(text, "en")
    assert score is not None
    assert score < 0.1


def test_what_cannot_be_judged_is_none() -> None:
    """No words, an unknown language, no language."""
    assert polarity("", "en") is None
    assert polarity("   ", "en") is None
    assert polarity("ich bin froh", "de") is None
    assert polarity("I'm fine", None) is None
    assert polarity("I'm fine", "en-GB") is not None


def test_the_lexicon_is_loaded_only_when_words_come() -> None:
    """A device without words does not pay for it."""
    code = "import sys, edge.state; assert 'vaderSentiment' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
