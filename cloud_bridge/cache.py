"""What may be made anew and lies in the user's cache folder: where, and how much of it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def cache_folder(name: str) -> Path:
    """The folder `name` of this user's cache; it need not be there."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mien" / name


def touch(file: Path) -> None:
    """`file` is still in use: it is not the oldest."""
    with contextlib.suppress(OSError):
        os.utime(file)


def trim(folder: Path, most: int) -> int:
    """Remove the longest unused files until `most` bytes are left; how many went. Raises OSError.

    What a write that was cut off left counts, too: it is the oldest one day.
    """
    found = sorted((at.st_mtime_ns, at.st_size, one.path) for one in os.scandir(folder) if (at := one.stat()))
    over, gone = sum(size for _, size, _ in found) - most, 0
    for _, size, path in found:
        if over <= 0:
            break
        with contextlib.suppress(FileNotFoundError):  # another bridge was quicker
            os.unlink(path)
        over, gone = over - size, gone + 1
    return gone
