"""What a small model may not say is left out; what it may is not."""

from __future__ import annotations

import pytest

from cloud_bridge import guard


@pytest.mark.parametrize(
    ("sentence", "words"),
    [
        ("It's about 1,000 kilometers from here.", "How far is it to Lyon?"),
        ("It takes two hours by train.", "How far is it?"),
        ("I'll get you the money back.", "You charged me twice again."),
        ("Let's get the heat back on.", "The heating is off."),
        ("Let me know if you need anything else.", "I moved here."),
        ("It's not your fault.", "My cat died."),
        ("It's a bit frustrating.", "It still doesn't work."),
        ("The train should be there soon.", "The train is late."),
        ("I’ll call them for you.", "They never answer."),
        ("Let’s book it.", "I want to leave."),
        ("Don’t hesitate to ask.", "Hello."),
        ("You’re doing well.", "I gave up."),
    ],
)
def test_promises_figures_and_phrases_are_refused(sentence: str, words: str) -> None:
    """Each of these was once said by a small model, and none of it was true or kind."""
    assert guard.refuses(sentence, words)


@pytest.mark.parametrize(
    ("sentence", "words"),
    [
        ("Three times is too often.", "It is late for the third time, three times now."),
        ("Two is a lot.", "I have two dogs."),
        ("Let's take it one step at a time.", "I have an exam."),
        ("I don't know how far it is.", "How far is it to Lyon?"),
        ("Read me the words it shows.", "It doesn't work."),
        ("Being tired is no shame.", "I'm so tired."),
        ("At 9 you will be ready.", "My interview is at 9."),
    ],
)
def test_what_stays_with_the_persons_words_is_said(sentence: str, words: str) -> None:
    """A figure that the person named may be repeated; a step that they take together is no deed."""
    assert not guard.refuses(sentence, words)
