"""The record of what was taken: exact, compact, and on disk before anyone is told."""

from __future__ import annotations

import random
import threading
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_bridge.errors import SettingError
from cloud_bridge.ingest.dedupe import Dedupe, Intervals


@given(st.lists(st.integers(1, 60)))
def test_intervals_are_a_set(numbers: list[int]) -> None:
    """Whatever is added in whatever order: the same as a set, in the fewest pairs."""
    intervals = Intervals()
    for number in numbers:
        intervals.add(number)
    expected = set(numbers)
    assert {n for n in range(70) if n in intervals} == expected
    assert sum(hi - lo + 1 for lo, hi in intervals) == len(expected)
    pairs = list(intervals)
    assert all(a[1] + 1 < b[0] for a, b in pairwise(pairs))


def record(dedupe: Dedupe, *numbers: int, boot: int = 1, effect: bytes | None = None) -> None:
    done = threading.Barrier(2)
    for number in numbers[:-1]:
        dedupe.record("a/b", boot, number, effect, lambda: None)
    dedupe.record("a/b", boot, numbers[-1], effect, lambda: done.wait(10) and None)
    done.wait(10)


def test_it_is_on_disk_when_done_is_called(tmp_path: Path) -> None:
    """A second reader of the file sees the record as soon as `done` came; in a few rows."""
    path = tmp_path / "seen.sqlite"
    numbers = list(range(1, 500))
    random.Random(3).shuffle(numbers)
    boot = (1 << 64) - 5
    first = Dedupe(path)
    record(first, *numbers, boot=boot)
    second = Dedupe(path)
    assert all(second.seen("a/b", boot, n) for n in numbers)
    assert not second.seen("a/b", boot, 500)
    assert not second.seen("a/c", boot, 7)
    assert not second.seen("a/b", 5, 7)
    assert first._db.execute("SELECT count(*) FROM seen").fetchone() == (1,)
    first.close()
    second.close()


def test_an_effect_is_kept_once_with_its_record(tmp_path: Path) -> None:
    """Recording again changes nothing; effects come out in order."""
    dedupe = Dedupe(tmp_path / "seen.sqlite")
    record(dedupe, 1, effect=b"one")
    record(dedupe, 2, effect=b"two")
    record(dedupe, 1, effect=b"again")
    assert [body for _, body in dedupe.effects()] == [b"one", b"two"]
    assert [body for _, body in dedupe.effects(after=1)] == [b"two"]
    dedupe.close()


def test_an_unusable_file_is_told(tmp_path: Path) -> None:
    """The message names the mend."""
    with pytest.raises(SettingError, match="give a writable file"):
        Dedupe(tmp_path / "absent" / "seen.sqlite")
    (tmp_path / "garbage").write_bytes(b"garbage" * 1_000)
    with pytest.raises(SettingError, match="move this"):
        Dedupe(tmp_path / "garbage")
