"""Files that people write: read with an error that names the file and what is wrong, and looked at for changes.

And files that only this user may read.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tomllib
from pathlib import Path
from typing import Any

from edge.errors import ConfigError


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """The tables of the TOML file `path`; `what` it is, e.g. `rules`, is told if it is missing. Raises ConfigError."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"no {what} file at {path}") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is no text in UTF-8: {error.reason} at byte {error.start}") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:  # the latter: nested without end
        raise ConfigError(f"{path} is no valid TOML: {error}") from error


def stamp(path: Path) -> tuple[int, int] | None:
    """Time of the last change (ns, UTC) and size (bytes), which tell a changed file; None where it cannot be seen."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def create_private(path: Path) -> int:
    """The descriptor of a fresh, empty `path` that this user alone may read, to write to. Raises OSError.

    A file or link of that name is replaced: it would keep its mode, and who had opened it could read on. A character
    device (`/dev/null`) stays, and is opened.
    """
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISCHR(path.lstat().st_mode):
            return os.open(path, os.O_WRONLY)
        path.unlink()
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)


def write_private(path: Path, content: bytes) -> None:
    """Write `path` whole or not at all, for this user alone; on the disk when this returns. Raises OSError."""
    beside = path.with_name(f".{path.name}.new")
    with os.fdopen(create_private(beside), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
