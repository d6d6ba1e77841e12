"""Every phoneme has a mouth shape, and no time is lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cloud_bridge import visemes


def test_shapes_of_a_word() -> None:
    """ "Papa": closed, open, closed, open; stress marks lengthen what stands before them."""
    timed = [("^", 10), ("p", 20), ("ˈ", 5), ("ɑ", 40), ("ː", 10), ("p", 20), ("ə", 30), ("$", 8)]
    found = visemes.from_phonemes(timed)
    assert [one.shape for one in found] == ["sil", "PP", "aa", "PP", "E", "sil"]
    assert [one.length for one in found] == [10, 25, 50, 20, 30, 8]


@given(st.lists(st.tuples(st.text(max_size=1), st.integers(0, 5000)), max_size=40))
def test_no_time_is_lost(timed: list[tuple[str, int]]) -> None:
    """Whatever the phonemes, the shapes follow one another without a gap and last as long."""
    at = 0
    for one in visemes.from_phonemes(timed):
        assert one.at == at
        assert one.shape in visemes.SHAPES
        at += one.length
    assert at == sum(length for _, length in timed)
