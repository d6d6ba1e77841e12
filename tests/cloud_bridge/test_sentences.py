"""Sentences leave as soon as they are whole, and nothing is lost or spoken that cannot be."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from cloud_bridge.sentences import Sentences, clean


def cut(text: str, size: int = 3) -> list[str]:
    cutter = Sentences()
    done = [one for at in range(0, len(text), size) for one in cutter.feed(text[at : at + size])]
    return done + cutter.flush()


def test_a_sentence_leaves_before_the_next_is_whole() -> None:
    """The first sentence does not wait for the end of the answer."""
    cutter = Sentences()
    assert cutter.feed("I hear you. That must") == ["I hear you."]
    assert cutter.feed(" be hard.") == []
    assert cutter.flush() == ["That must be hard."]


def test_the_first_clause_may_leave_early() -> None:
    """An eager cutter lets a first clause go, and no other."""
    cutter = Sentences(eager=True)
    assert cutter.feed("Well, if it rains tomorrow, we stay in, and") == ["Well, if it rains tomorrow,"]
    assert cutter.feed(" read, and sleep.") == []
    assert cutter.flush() == ["we stay in, and read, and sleep."]


def test_points_that_end_nothing() -> None:
    """Abbreviations, decimals and initials do not cut."""
    assert cut("Dr. Lee said 3.5 mg at 8 a.m. on Monday. Then J. called.") == [
        "Dr. Lee said 3.5 mg at 8 a.m. on Monday.",
        "Then J. called.",
    ]


def test_markup_and_emoji_are_not_spoken() -> None:
    """A model's formatting never reaches the voice."""
    assert cut("**Sure!** 😊 Try `this`:\n- one\n- two\n```python\nprint(1)\n```") == [
        "Sure!",
        "Try this :",
        "one",
        "two",
    ]
    assert clean("😊 … ***") == ""


def test_a_sentence_without_end_is_cut_at_a_clause() -> None:
    """A model that never stops does not hold the voice up."""
    parts = cut("and then we went on, " * 30)
    assert len(parts) > 3
    assert max(map(len, parts)) <= 160


@example("-\x080", 1)
@given(st.text(max_size=300), st.integers(1, 40))
def test_any_text_in_any_pieces(text: str, size: int) -> None:
    """No input breaks the cutter, and no piece is empty or holds control characters."""
    for part in cut(text, size):
        assert part == clean(part)
        assert part.isprintable()


SHORTENED = ("etc.", "mrs.", "prof.", "approx.")
plain = st.from_regex(r"[A-Z][a-z]{2,9}( [a-z]{2,9}){0,6}[.!?]", fullmatch=True).filter(
    lambda sentence: not sentence.lower().endswith((*SHORTENED, " mr.", " ms.", " dr.", " st.", " vs."))
)


@given(st.lists(plain, max_size=6), st.integers(1, 9))
def test_plain_sentences_come_out_as_they_went_in(sentences: list[str], size: int) -> None:
    """Cutting is exact, whatever the size of the pieces."""
    assert cut(" ".join(sentences), size) == sentences
