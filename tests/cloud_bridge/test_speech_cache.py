"""Prepared lines are kept, and do not fill the disk."""

from __future__ import annotations

import os
from pathlib import Path

from cloud_bridge.providers.base import Sound, Viseme
from cloud_bridge.speech_cache import SpeechCache

RATE = 16_000


def sound(text: str) -> tuple[Sound, ...]:
    return (Sound(text.encode() * 500, RATE, (Viseme(0, 500, "aa"),)),)


def test_what_is_kept_comes_back_of_its_voice_alone(tmp_path: Path) -> None:
    """Sound and mouth shapes are the same; another voice, or another line, is not there."""
    cache = SpeechCache(tmp_path)
    cache.write("joe", "Okay.", sound("ab"))
    assert SpeechCache(tmp_path).read("joe", "Okay.") == sound("ab")
    assert cache.read("ann", "Okay.") is None
    assert cache.read("joe", "Okay") is None


def test_the_longest_unused_goes_first(tmp_path: Path) -> None:
    """Beyond the limit a line goes that was neither written nor said for the longest time; it is counted."""
    cache = SpeechCache(tmp_path, most=3_600)  # three lines of a thousand bytes and their headers
    for number, line in enumerate(("one", "two", "three")):
        cache.write("joe", line, sound("ab"))
        os.utime(cache._file("joe", line), (number, number))
    assert cache.read("joe", "one") is not None  # said again: two is the oldest now
    cache.write("joe", "four", sound("ab"))
    assert cache.read("joe", "two") is None
    assert all(cache.read("joe", line) == sound("ab") for line in ("one", "three", "four"))
    assert cache.dropped == 1
    assert sum(one.stat().st_size for one in tmp_path.iterdir()) <= 3_600


def test_a_line_that_is_larger_than_all_is_not_kept(tmp_path: Path) -> None:
    """It is said all the same, and nothing fills the disk."""
    cache = SpeechCache(tmp_path, most=100)
    cache.write("joe", "one", sound("ab"))
    assert cache.read("joe", "one") is None
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_costs_nothing(tmp_path: Path) -> None:
    """A file in the folder's place: nothing is kept, nothing raises."""
    (tmp_path / "speech").write_text("")
    cache = SpeechCache(tmp_path / "speech")
    cache.write("joe", "one", sound("ab"))
    assert cache.read("joe", "one") is None
