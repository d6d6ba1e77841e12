"""The record of what was taken: exact, compact, and on disk before anyone is told."""

from __future__ import annotations

import random
import sqlite3
import stat
import threading
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_bridge.errors import SettingError
from cloud_bridge.ingest import dedupe
from cloud_bridge.ingest.base import Effect
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


def record(dedupe: Dedupe, *numbers: int, boot: int = 1, effect: Effect | None = None) -> None:
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


def keep(text: str) -> Effect:
    def effect(db: sqlite3.Connection) -> None:
        db.execute("CREATE TABLE IF NOT EXISTS told (text TEXT)")
        db.execute("INSERT INTO told VALUES (?)", (text,))

    return effect


def told(dedupe: Dedupe) -> list[str]:
    return [text for (text,) in dedupe._db.execute("SELECT text FROM told")]


def test_an_effect_happens_once_with_its_record(tmp_path: Path) -> None:
    """Recording again changes nothing, in this process and in the next one; effects come in order."""
    dedupe = Dedupe(tmp_path / "seen.sqlite")
    record(dedupe, 1, effect=keep("one"))
    record(dedupe, 2, effect=keep("two"))
    record(dedupe, 1, effect=keep("again"))
    dedupe.close()
    dedupe = Dedupe(tmp_path / "seen.sqlite")
    record(dedupe, 4, 1, effect=keep("later"))
    assert told(dedupe) == ["one", "two", "later"]
    dedupe.close()


def test_an_effect_that_raises_leaves_nothing_and_stops_nothing(tmp_path: Path) -> None:
    """Neither does wrong SQL: it is counted, and undone as a whole; those of others stay."""

    def half(db: sqlite3.Connection) -> None:
        keep("half")(db)
        raise RuntimeError("said: something private")

    def wrong(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO nowhere VALUES (1)")

    dedupe = Dedupe(tmp_path / "seen.sqlite")
    for number, effect in enumerate((keep("one"), half, wrong, keep("two")), 1):
        record(dedupe, number, effect=effect)
    assert told(dedupe) == ["one", "two"]
    assert dedupe.effects_failed == 2
    dedupe.close()


@given(
    st.lists(st.lists(st.integers(1, 30), min_size=1, max_size=8), max_size=8), st.sets(st.integers(0, 7), max_size=2)
)
def test_batches_on_disk_are_a_set(batches: list[list[int]], lost: set[int]) -> None:
    """However the numbers are spread over commits: the fewest rows, and one effect for each number; even where the disk
    has not all that memory knows of."""
    dedupe = Dedupe(None)
    memory = Intervals()
    for at, batch in enumerate(batches):
        entries = [("a/b", 1, number, keep(str(number)), memory.add(number)) for number in batch]
        if at not in lost:
            dedupe._commit(entries)
    numbers = {number for at, batch in enumerate(batches) for number in batch if at not in lost}
    rows = dedupe._db.execute("SELECT lo, hi FROM seen ORDER BY lo").fetchall()
    assert {n for lo, hi in rows for n in range(lo, hi + 1)} == numbers
    assert all(a[1] + 1 < b[0] for a, b in pairwise(rows))
    assert not numbers or sorted(map(int, told(dedupe))) == sorted(numbers)
    dedupe.close()


def test_a_clock_that_is_wrong_makes_nothing_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Days of use are counted: a year ahead and 1970 are one each. What was silent on all of KEEP_DAYS goes."""
    path = tmp_path / "seen.sqlite"

    def bridge(day: int, boot: int) -> Dedupe:
        monkeypatch.setattr(dedupe, "_today", lambda: day)
        record = Dedupe(path)
        record.record("dev-1", boot, 1, None, lambda: None)
        record.close()
        return Dedupe(path)

    for day, boot in ((20_000, 1), (20_365, 2), (0, 3), (20_001, 4)):
        record = bridge(day, boot)
        assert all(record.seen("dev-1", known, 1) for known in range(1, boot + 1))
        record.close()
    for number in range(1, dedupe.KEEP_DAYS - 1):  # with 20,365 and 20,001, then, as many days of use
        record = bridge(20_001 + number, 4 + number)
        kept = number < dedupe.KEEP_DAYS - 2
        assert record.seen("dev-1", 1, 1) == kept
        assert record.seen("dev-1", 4, 1)
        record.close()


def test_nobody_else_reads_the_record(tmp_path: Path) -> None:
    """What applications note in its transactions tells of people: the file and its log are for this user alone, also
    where an older bridge made it."""
    path = tmp_path / "seen.sqlite"
    path.touch(0o644)
    dedupe = Dedupe(path)
    dedupe.record("dev-1", 1, 1, None, lambda: None)
    dedupe.close()
    dedupe = Dedupe(path)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    dedupe.close()
    assert modes.keys() > {"seen.sqlite"}
    assert set(modes.values()) == {0o600}


def test_an_unusable_file_is_told(tmp_path: Path) -> None:
    """The message names the mend."""
    with pytest.raises(SettingError, match="give a writable file"):
        Dedupe(tmp_path / "absent" / "seen.sqlite")
    (tmp_path / "garbage").write_bytes(b"garbage" * 1_000)
    with pytest.raises(SettingError, match="move this"):
        Dedupe(tmp_path / "garbage")
