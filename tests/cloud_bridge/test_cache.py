"""What may be made anew does not fill the disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cloud_bridge.cache import cache_folder, touch, trim


def put(folder: Path, name: str, size: int, at_s: int) -> Path:
    file = folder / name
    file.write_bytes(bytes(size))
    os.utime(file, (at_s, at_s))
    return file


def test_the_longest_unused_go_first_and_no_more_than_must(tmp_path: Path) -> None:
    """What was touched stays; the half of a file that a killed process left goes as any other."""
    left = put(tmp_path, "one.4711", 400, 1)
    used, old, new = (put(tmp_path, name, 300, at_s) for at_s, name in enumerate(("used", "old", "new"), 2))
    touch(used)
    assert trim(tmp_path, 1_300) == 0
    assert trim(tmp_path, 700) == 2
    assert (left.exists(), used.exists(), old.exists(), new.exists()) == (False, True, False, True)
    assert trim(tmp_path, 0) == 2
    touch(old)  # gone meanwhile: nothing happens


def test_it_lies_in_the_users_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the desktop's rules say, else in the home folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder("speech") == tmp_path / "mien" / "speech"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "anna"))
    assert cache_folder("speech") == tmp_path / "anna" / ".cache" / "mien" / "speech"
