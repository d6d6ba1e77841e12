"""The path from observations to words."""

from __future__ import annotations

from pathlib import Path as File

from edge.path import Path
from edge.policy import Policy
from edge.rules import Rules
from edge.types import Description, Event, Observation, Prosody, SpeechActivity, TurnEnd


def session() -> list[tuple[float, list[Observation]]]:
    """Two turns of somebody who is heard, not seen."""
    steps: list[tuple[float, list[Observation]]] = []
    for start_s in (1.0, 4.0):
        for index in range(15):
            t_s = start_s + 0.1 * index
            spoken = SpeechActivity(t_s=t_s, probability=0.9, speaking=True, speech_s=t_s - start_s)
            how = Prosody(
                t_s=t_s, window_s=1, pitch_hz=150, pitch_slope_st_s=0, pitch_range_st=4, energy_db=-20, rate_hz=4,
                pause_fraction=0, voiced_fraction=0.6,
            )  # fmt: skip
            steps.append((t_s, [spoken, how]))
        end_s = start_s + 1.8
        quiet = SpeechActivity(t_s=end_s, probability=0.1, speaking=False, speech_s=0)
        steps.append((end_s, [quiet, TurnEnd(t_s=end_s, probability=0.9, by="model", final=True, speech_end_s=t_s)]))
    return steps


def test_nothing_carries_over_to_the_next_recording(tmp_path: File) -> None:
    """After a reset the same recording gives the same words and the same rules fire, whatever was read before."""
    rules = tmp_path / "rules.toml"
    rules.write_text('[[rule]]\nname = "talks"\nwhen = "speaking"\ncooldown = "60s"')
    path = Path(policy=Policy.for_recordings(), rules=Rules.load(rules))

    def play() -> tuple[list[Description], list[Event]]:
        moments = [path.step(observations, t_s) for t_s, observations in session()]
        path.reset()
        return [one for m in moments for one in m.descriptions], [one for m in moments for one in m.events]

    first = play()
    assert len(first[0]) == 3  # at each end, and where the rule fires
    assert "talks" in [event.name for event in first[1]]
    assert play() == first
