"""The loop's own thread: what it may put off, and what not."""

from __future__ import annotations

import pytest

from edge.answer import Answer
from edge.config import Config
from edge.loop import Loop
from edge.types import FaceLost, SpeechActivity


def _sound(*, speaking: bool) -> SpeechActivity:
    return SpeechActivity(t_s=1.0, probability=0.5, speaking=speaking, speech_s=float(speaking))


def test_only_sound_that_changes_nothing_may_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Speech that begins or ends, anything else that is observed, and a barge-in are considered at once."""
    loop = Loop(Config(sensors=["synthetic://"], outputs=[]))
    assert loop._goes_on([_sound(speaking=False)] * 4)
    assert not loop._goes_on([_sound(speaking=True)])
    assert loop._goes_on([_sound(speaking=True)])
    assert not loop._goes_on([_sound(speaking=True), FaceLost(t_s=1.0, person=1)])
    assert not loop._goes_on([_sound(speaking=False)])
    assert not loop._goes_on([_sound(speaking=False), _sound(speaking=True)])
    monkeypatch.setattr(Answer, "speaking", True)
    assert not loop._goes_on([_sound(speaking=True)])
