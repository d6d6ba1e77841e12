"""An append-only log of decisions: JSON lines, each chained to the one before by sha256. No content, ever."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from pathlib import Path

from edge import clock
from edge.errors import PolicyError

_FIRST = "0" * 64


class Audit:
    """Writes to `path`, or nowhere when it is None. `failed` tells why a line could not be written, or is None."""

    def __init__(self, path: Path | None) -> None:
        """Raises PolicyError when `path` cannot be written or its chain is broken."""
        self.failed: str | None = None
        self._path = path
        if path is not None:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.open("ab").close()
            except OSError as error:
                raise PolicyError(f"the audit log {path} cannot be written: {error.strerror}; name another") from error
            verify(path)

    def write(self, what: str, **facts: str | int | bool | None) -> None:
        """Append one decision; it is on the disk when this returns. A failure is kept in `failed`, not raised."""
        if self._path is None or self.failed is not None:
            return
        try:
            with self._path.open("rb+") as handle:
                fcntl.flock(handle, fcntl.LOCK_EX)
                before = _last_hash(handle.read())
                line = {"utc_ms": clock.utc_ms(), "clock_synced": clock.clock_synced(), "what": what, **facts}
                line["before"] = before
                handle.seek(0, os.SEEK_END)
                handle.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
                handle.flush()
                os.fsync(handle.fileno())
        except OSError as error:
            self.failed = error.strerror or str(error)


def verify(path: Path) -> int:
    """Number of lines. Raises PolicyError naming the first line that was changed, removed or cut."""
    expected = _FIRST
    lines = path.read_bytes().splitlines(keepends=True)
    for number, line in enumerate(lines, 1):
        try:
            before = json.loads(line)["before"]
        except (ValueError, KeyError, TypeError) as error:
            raise PolicyError(
                f"audit log {path}, line {number} is damaged: keep it aside and start a new one"
            ) from error
        if before != expected or not line.endswith(b"\n"):
            raise PolicyError(f"audit log {path} was changed before line {number}: keep it aside and start a new one")
        expected = hashlib.sha256(line).hexdigest()
    return len(lines)


def _last_hash(content: bytes) -> str:
    lines = content.splitlines(keepends=True)
    return hashlib.sha256(lines[-1]).hexdigest() if lines else _FIRST
