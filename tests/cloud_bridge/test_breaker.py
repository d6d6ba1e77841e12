"""What failed several times running is left alone for a while; then one try decides."""

from __future__ import annotations

import pytest

from cloud_bridge import breaker as module
from cloud_bridge.breaker import Breaker


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock: its only entry is the time in seconds."""
    at = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: at[0])
    return at


def broken(limit: int = 3, rest_s: float = 10.0) -> Breaker:
    breaker = Breaker(limit, rest_s)
    for _ in range(limit):
        assert breaker.closed()
        breaker.bad()
    return breaker


def test_it_rests_after_several_failures_in_a_row(now: list[float]) -> None:
    """Two failures are chance; three rest for the whole time, counted from the last."""
    breaker = Breaker(3, 10.0)
    for at_s in (100.0, 104.0, 108.0):
        now[0] = at_s
        assert breaker.closed()
        breaker.bad()
    for at_s in (108.0, 110.1, 117.9):
        now[0] = at_s
        assert not breaker.closed()
    now[0] = 118.0
    assert breaker.closed()


def test_one_success_between_begins_the_count_anew(now: list[float]) -> None:
    """Failures that are not in a row rest nobody."""
    breaker = Breaker(2)
    for _ in range(5):
        breaker.bad()
        assert breaker.closed()
        breaker.good()


def test_after_the_rest_one_alone_tries(now: list[float]) -> None:
    """All others wait for its outcome, or for another rest where it tells none."""
    breaker = broken()
    now[0] += 10.0
    assert [breaker.closed() for _ in range(3)] == [True, False, False]
    now[0] += 9.9
    assert not breaker.closed()
    now[0] += 0.1
    assert [breaker.closed() for _ in range(2)] == [True, False]


@pytest.mark.parametrize("works", [True, False])
def test_that_try_decides(now: list[float], works: bool) -> None:
    """It works: everybody goes on at once. It fails: everybody rests again, at the first failure."""
    breaker = broken()
    now[0] += 10.0
    assert breaker.closed()
    (breaker.good if works else breaker.bad)()
    assert [breaker.closed() for _ in range(2)] == [works, works]
    now[0] += 9.0
    assert breaker.closed() is works
