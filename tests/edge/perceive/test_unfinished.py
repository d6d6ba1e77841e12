"""Words that leave a sentence open, and words that end one."""

import pytest

from edge.perceive.unfinished import leaning, unfinished


@pytest.mark.parametrize(
    "text",
    ["Dogs are sitting by the.", "I have an exam tomorrow and I", "The train is late, so.", "Can you help me find my?",
     "Well, because...", "We are going", "I don't", "Where is the?", "I forgot to call, er,", "I finally finished. Uh.",
     "They want to sell, ah.", "What should I say um", "Do you remember, hmm?"],
)  # fmt: skip
def test_what_breaks_off_is_told(text: str) -> None:
    """Whatever mark the recognizer puts behind it."""
    assert unfinished(text)


@pytest.mark.parametrize(
    "text",
    ["Kids are talking by the door.", "How far is it?", "I think so.", "Who are you waiting for?", "Yes, I am.",
     "Me too.", "I said that.", "", "Let me in.", "Hmm.", "Ah!", "Where is the hammer?", "That is her.",
     "Wake me at 7 a.m.", "It opens at five p. m.", "Mm-hmm.", "Mm hmm.", "Uh-uh.", "It is 5 mm.", "He is in the ER."],
)  # fmt: skip
def test_what_may_end_a_sentence_is_let_pass(text: str) -> None:
    """A word that often ends one does not hold the turn open."""
    assert not unfinished(text)


def test_some_words_seldom_end_a_sentence() -> None:
    """They may, so they do not hold a turn open; but the person is given a little more time after them."""
    for text in ("The food was really.", "I will come back here every.", "Now the dish was.", "Nobody told me about.",
                 "Would it be possible to get?", "My knee has been hurting since."):  # fmt: skip
        assert leaning(text)
        assert not unfinished(text)
    for text in ("How far is it?", "I think so.", "I said that.", "Kids are talking by the door.", "",
                 "What are you looking for?", "So what is it about?"):  # fmt: skip
        assert not leaning(text)
