"""The first words fit the tone, vary, and are the same for the same input."""

from __future__ import annotations

from collections import deque

import pytest

from cloud_bridge import opening
from cloud_bridge.tone import TONES


@pytest.mark.parametrize("tone", TONES)
@pytest.mark.parametrize("brief", [True, False])
def test_every_tone_has_openings(tone: str, brief: bool) -> None:
    """No tone is left without first words, for a statement and for a question, and each is prepared."""
    for words in ("I lost it.", "Where is it?"):
        assert opening.pick(tone, words, deque(), 1, brief=brief) in opening.all_lines()


def test_it_varies() -> None:
    """The same tone does not begin three times running with the same words."""
    recent: deque[str] = deque(maxlen=8)
    for turn in range(1, 9):
        line = opening.pick("sad", "I lost it.", recent, turn, brief=False)
        assert line not in list(recent)[-2:]
        recent.append(line)


def test_it_is_deterministic() -> None:
    """A guess that is begun early and the answer after it open alike."""
    assert opening.pick("plain", "So.", deque(["Okay."]), 4, brief=False) == opening.pick(
        "plain", "So.", deque(["Okay."]), 4, brief=False
    )


@pytest.mark.parametrize(
    ("words", "question"),
    [("How are you", True), ("You came?", True), ("can you help me", True), ("I know how.", False), ("", False)],
)
def test_questions_are_told_by_form(words: str, question: bool) -> None:
    """A question gets an opening that can precede an answer."""
    assert opening.is_question(words) is question


@pytest.mark.parametrize("tone", TONES)
def test_a_quick_model_gets_a_brief_opening(tone: str) -> None:
    """The opening must not hold up an answer that is nearly there."""
    for words in ("I lost it.", "Where is it?"):
        assert all(len(opening.pick(tone, words, (), turn, brief=True)) <= 15 for turn in range(8))
