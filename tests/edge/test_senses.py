"""What was perceived is handed on, to the last of it."""

from __future__ import annotations

from edge.config import Config
from edge.policy import Policy
from edge.senses import Senses
from edge.types import SpeechActivity
from edge.worker import Worker


class Nothing:
    """A detector that finds nothing."""

    def feed(self, _frame: object) -> list[SpeechActivity]:
        return []

    def reset(self) -> None:
        pass


def test_the_last_batch_is_taken_before_the_end_is_told() -> None:
    """It may come between the last look and the end of its thread; it is the end of the last turn, now and then."""
    config = Config().updated(sensors=["synthetic://"], outputs=[])
    senses = Senses(
        config,
        Policy("affect", context="personal", consent=True),
        speaking=lambda: False,
        submit=lambda *_: None,
        on_state=lambda: None,
    )
    senses.hearing = Worker("hearing", Nothing, senses.audio, senses.found)
    senses.sight = Worker("sight", Nothing, senses.video, senses.found)
    for worker, slot in ((senses.hearing, senses.audio), (senses.sight, senses.video)):
        worker.start()
        slot.close()
        assert worker.join(10.0)
    last = [SpeechActivity(t_s=1.0, probability=0.1, speaking=False, speech_s=0.0)]
    senses.found.put(last)
    assert senses.flush() is None
    assert senses.take(0.0) == last
    assert senses.flush() == []
