"""Which words are believed."""

import pytest

from edge.perceive.words import reliable
from models.asr import Transcript


def found(text: str, logprob: float = -0.1, *, closed: bool = True) -> Transcript:
    """A transcript with a piece per word and one for the end, each of the same log-probability."""
    return Transcript(text, (logprob,) * (len(text.split()) + 1), closed=closed)


def test_a_likely_text_is_believed():
    """A text that came to its end with likely pieces is told."""
    assert reliable(found("Kids are talking by the door."))


def test_a_single_word_needs_more_certainty():
    """What suffices for a sentence does not for one word: sighs sound like words."""
    assert reliable(found("Kids are talking by the door.", -0.4))
    assert not reliable(found("Oh.", -0.4))
    assert reliable(found("Yes.", -0.2))


@pytest.mark.parametrize(
    ("why", "doubtful"),
    [
        ("unlikely", found("They're lap-n-leaked of the mice.", -0.9)),
        ("cut at the bound", found("If you had been", closed=False)),
        ("no word at all", found("...")),
        ("empty", found("")),
        ("a loop", found("You can't do it. " * 12)),
        ("nothing decoded", Transcript("", (), closed=True)),
    ],
)
def test_a_doubtful_text_is_not_told(why, doubtful):
    """No words rather than wrong words."""
    assert not reliable(doubtful), why
