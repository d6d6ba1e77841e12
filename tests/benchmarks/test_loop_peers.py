"""The comparison of words counts as it should."""

from __future__ import annotations

import pytest

from benchmarks.loop_peers import word_errors


@pytest.mark.parametrize(
    ("read", "share"),
    [
        ("Kids are talking, by the DOOR.", 0.0),
        ("", 1.0),
        ("Kids talking by the door", 1 / 6),  # missing
        ("The kids are talking by the door", 1 / 6),  # too many
        ("Lids are talking by a door", 2 / 6),  # wrong
    ],
)
def test_words_are_counted_without_case_and_points(read: str, share: float) -> None:
    """Wrong, missing and additional words count once each."""
    assert word_errors(["kids are talking by the door"], [read]) == pytest.approx(share)
