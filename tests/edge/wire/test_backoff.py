"""Waiting before the next try."""

from __future__ import annotations

from edge.wire.backoff import Backoff


def ceilings(backoff: Backoff, count: int, lasted_s: float = 0.0) -> list[float]:
    return [backoff.next_s(lasted_s) for _ in range(count)]


def test_the_first_retry_is_already_jittered_and_the_ceiling_doubles() -> None:
    """Drawn between 0 and 0.5, 1, 2 … up to the longest."""
    drawn: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        drawn.append((low, high))
        return high

    assert ceilings(Backoff(0.5, 6.0, uniform=uniform), 6) == [0.5, 1.0, 2.0, 4.0, 6.0, 6.0]
    assert {low for low, _ in drawn} == {0.0}


def test_only_a_link_that_lasted_starts_from_the_bottom() -> None:
    """A link that comes and goes keeps waiting longer; one that was stable is forgiven."""
    backoff = Backoff(0.5, 60.0, 30.0, uniform=lambda low, high: high)
    assert ceilings(backoff, 3) == [0.5, 1.0, 2.0]
    assert backoff.next_s(29.0) == 4.0
    assert backoff.next_s(30.0) == 0.5


def test_a_thousand_devices_do_not_come_back_together() -> None:
    """Of 1,000 first retries no tenth of the time holds more than 15 %."""
    waits = [Backoff(1.0).next_s() for _ in range(1_000)]
    assert max(sum(i / 10 <= w < (i + 1) / 10 for w in waits) for i in range(10)) <= 150


def test_very_many_failures_do_not_overflow() -> None:
    """A device may be offline for years."""
    backoff = Backoff()
    backoff.failures = 1_000_000
    assert 0.0 <= backoff.next_s() <= 60.0
