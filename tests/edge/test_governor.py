"""The governor: steps down under strain, back up when it is over, never on a moment's word."""

from __future__ import annotations

from edge.governor import LADDER, Governor

EASY = {"late_s": 0.01, "rss_mb": 100.0, "temperature_c": 50.0}


def run(governor: Governor, start_s: float, seconds: int, **measured: float | None) -> str:
    for second in range(seconds):
        governor.update(start_s + second, **{**EASY, **measured})
    return governor.step.name


def test_one_late_moment_changes_nothing() -> None:
    """A single measurement is no strain."""
    governor = Governor(1000)
    assert run(governor, 0, 1, late_s=3.0) == ""
    assert run(governor, 1, 5) == ""


def test_heat_memory_and_lateness_each_step_down_to_the_last_rung() -> None:
    """Under lasting strain every rung is reached, in order."""
    for strain in ({"late_s": 1.0}, {"rss_mb": 990.0}, {"temperature_c": 85.0}):
        governor = Governor(1000)
        seen = [run(governor, 100 * i, 3, **strain) for i in range(len(LADDER))]
        assert seen[0] == LADDER[1].name
        assert seen[-1] == LADDER[-1].name


def test_it_climbs_back_slowly_when_all_is_well() -> None:
    """Recovery takes longer than the fall, so that it does not swing."""
    governor = Governor(1000)
    run(governor, 0, 3, late_s=1.0)
    assert run(governor, 10, 10) == LADDER[1].name
    assert run(governor, 20, 10) == ""


def test_unknown_heat_and_memory_are_no_strain() -> None:
    """A board that tells nothing runs in full."""
    governor = Governor(1000)
    assert run(governor, 0, 30, rss_mb=None, temperature_c=None) == ""
