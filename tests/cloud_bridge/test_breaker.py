"""The circuit breaker: what keeps failing is left alone, and tried again."""

from __future__ import annotations

import pytest

from cloud_bridge.breaker import Breaker


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which a test moves."""
    at = [100.0]
    monkeypatch.setattr("cloud_bridge.breaker.time.monotonic", lambda: at[0])
    return at


def test_it_opens_after_failures_in_a_row(now: list[float]) -> None:
    """Two of three are no reason to rest; one that worked between them counts anew."""
    breaker = Breaker(limit=3, rest_s=10.0)
    for _ in range(2):
        breaker.bad()
    breaker.good()
    for _ in range(2):
        breaker.bad()
    assert breaker.closed()
    breaker.bad()
    assert not breaker.closed()


def test_after_the_rest_one_try_decides(now: list[float]) -> None:
    """While that try is under way nobody else tries; one more failure means another rest, success means none."""
    breaker = Breaker(limit=1, rest_s=10.0)
    breaker.bad()
    now[0] += 9.9
    assert not breaker.closed()
    now[0] += 0.2
    assert breaker.closed()
    assert not breaker.closed()
    now[0] += 5.0
    assert not breaker.closed()
    breaker.bad()
    now[0] += 9.9
    assert not breaker.closed()
    now[0] += 0.2
    assert breaker.closed()
    breaker.good()
    assert breaker.closed()
