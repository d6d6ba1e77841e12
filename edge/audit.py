"""An append-only log of decisions: JSON lines, each chained to the one before by sha256. No content, ever."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import stat
from pathlib import Path
from typing import BinaryIO

from edge import clock
from edge.errors import PolicyError

_FIRST = "0" * 64
_TEXT_MAX = 400  # characters of one fact; a longer justification belongs into a file that it names
_TAIL = 16_384  # bytes that surely hold the last line


class Audit:
    """Writes to `path`, or nowhere when it is None. `failed` tells why a line could not be written, or is None."""

    def __init__(self, path: Path | None) -> None:
        """Raises PolicyError when `path` cannot be written or its chain is broken."""
        self.failed: str | None = None
        self._path = path
        if path is not None:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("ab+") as handle:
                    if not stat.S_ISREG(os.fstat(handle.fileno()).st_mode):
                        raise PolicyError(f"the audit log {path} is no file that keeps what is written: name another")
                    _mend_tail(handle)
            except OSError as error:
                raise PolicyError(
                    f"the audit log {path} cannot be written: {error.strerror or error}; name another"
                ) from error
            verify(path)

    def write(self, what: str, **facts: str | int | bool | None) -> None:
        """Append one decision; it is on the disk when this returns. A failure is kept in `failed`, not raised."""
        if self._path is None or self.failed is not None:
            return
        try:
            with self._path.open("rb+") as handle:
                fcntl.flock(handle, fcntl.LOCK_EX)
                short = {k: v[:_TEXT_MAX] if isinstance(v, str) else v for k, v in facts.items()}
                line = {"utc_ms": clock.utc_ms(), "clock_synced": clock.clock_synced(), "what": what, **short}
                line["before"] = _last_hash(handle)
                handle.seek(0, os.SEEK_END)
                handle.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
                handle.flush()
                os.fsync(handle.fileno())
        except OSError as error:
            self.failed = error.strerror or str(error)


def verify(path: Path) -> int:
    """Number of lines. Raises PolicyError naming the line before which something was changed or removed.

    A line that a power cut left torn is passed over where the next one is chained to it.
    """
    expected, torn = _FIRST, False
    lines = path.read_bytes().splitlines(keepends=True)
    for number, line in enumerate(lines, 1):
        try:
            before = json.loads(line)["before"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            if torn:
                raise PolicyError(_CHANGED.format(path, number)) from error
            torn = True
            expected = hashlib.sha256(line).hexdigest()
            continue
        if before != expected:
            raise PolicyError(_CHANGED.format(path, number))
        torn = False
        expected = hashlib.sha256(line).hexdigest()
    return len(lines)


_CHANGED = "the audit log {} was changed before line {}: keep it aside as evidence and start a new one"


def _mend_tail(handle: BinaryIO) -> None:
    """End a torn last line, so that the next one begins on its own."""
    size = handle.seek(0, os.SEEK_END)
    if size == 0:
        return
    handle.seek(size - 1)
    if handle.read(1) != b"\n":
        handle.seek(0, os.SEEK_END)
        handle.write(b"\n")


def _last_hash(handle: BinaryIO) -> str:
    size = handle.seek(0, os.SEEK_END)
    handle.seek(max(0, size - _TAIL))
    lines = handle.read().splitlines(keepends=True)
    return hashlib.sha256(lines[-1]).hexdigest() if lines else _FIRST
