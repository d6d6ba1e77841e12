"""The governor: steps down under strain, back up when it is over, never on a moment's word."""

from __future__ import annotations

import pytest

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


@pytest.mark.parametrize("strain", [{"late_s": 0.25}, {"rss_mb": 950.0}, {"temperature_c": 80.0}])
def test_heat_memory_and_lateness_each_step_down_to_the_last_rung(strain: dict[str, float]) -> None:
    """Under lasting strain every rung is reached, in order, one every two seconds; there is none below the last."""
    governor = Governor(1000)
    seen = [run(governor, second, 1, **strain) for second in range(2 * len(LADDER) + 2)]
    assert seen == ["", ""] + [rung.name for rung in LADDER[1:] for _ in (0, 1)] + [LADDER[-1].name] * 2


@pytest.mark.parametrize("strain", [{"late_s": 0.24}, {"rss_mb": 949.0}, {"temperature_c": 79.9}])
def test_short_of_the_limits_nothing_is_left_out(strain: dict[str, float]) -> None:
    """However long it lasts."""
    assert run(Governor(1000), 0, 100, **strain) == ""


@pytest.mark.parametrize("hard", [{"late_s": 0.11}, {"rss_mb": 851.0}, {"temperature_c": 72.1}])
def test_what_is_neither_strain_nor_ease_changes_nothing(hard: dict[str, float]) -> None:
    """Between the limits for going down and up it stays where it is: else it would swing about one of them."""
    governor = Governor(1000)
    run(governor, 0, 3, late_s=1.0)
    assert run(governor, 10, 100, **hard) == LADDER[1].name


def test_it_climbs_back_slowly_when_all_is_well() -> None:
    """Recovery takes longer than the fall, a rung every fifteen seconds, so that it does not swing."""
    governor = Governor(1000)
    run(governor, 0, 100, late_s=1.0)
    seen = [run(governor, 100 + second, 1, late_s=0.1, rss_mb=850.0, temperature_c=72.0) for second in range(70)]
    names = [rung.name for rung in reversed(LADDER)]
    assert seen == [name for name in names[:-1] for _ in range(15)] + [names[-1]] * 10


def test_a_moment_of_strain_or_ease_begins_the_wait_anew() -> None:
    """Both ways: it goes by what lasts."""
    governor = Governor(1000)
    for second in range(0, 20, 2):
        run(governor, second, 1, late_s=1.0)
        assert run(governor, second + 1, 1) == ""
    run(governor, 20, 3, late_s=1.0)
    run(governor, 23, 14)
    run(governor, 37, 1, late_s=0.2)
    assert run(governor, 38, 15) == LADDER[1].name
    assert run(governor, 53, 1) == ""


def test_unknown_heat_and_memory_are_no_strain() -> None:
    """A board that tells nothing runs in full."""
    governor = Governor(1000)
    assert run(governor, 0, 30, rss_mb=None, temperature_c=None) == ""
