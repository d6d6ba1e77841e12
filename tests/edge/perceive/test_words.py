"""Which words are believed."""

import pytest

from edge.perceive.words import reliable
from models.asr import Transcript


def found(text: str, logprob: float = -0.1, *, closed: bool = True) -> Transcript:
    return Transcript(text, (logprob, logprob), closed=closed)


def test_a_likely_text_is_believed():
    """A text that came to its end with likely pieces is told."""
    assert reliable(found("Kids are talking by the door."))


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
