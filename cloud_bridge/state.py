"""Where a bridge keeps its own files."""

from __future__ import annotations

import os
from pathlib import Path

from cloud_bridge.errors import SettingError


def state_folder() -> Path:
    """The folder `bridge` in `MIEN_STATE`, or in Mien's folder of the user's state; made when missing, for this user
    alone. Raises SettingError where that cannot be."""
    if chosen := os.environ.get("MIEN_STATE"):
        base = Path(chosen)
    else:
        base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "mien"
    folder = base / "bridge"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingError(f"the bridge's folder {folder} cannot be made ({error.strerror}): set MIEN_STATE") from error
    return folder


def history_file(chosen: str | None) -> Path:
    """The history at `chosen`; None: the one in the bridge's folder. Raises SettingError as `state_folder` does."""
    return Path(chosen) if chosen else state_folder() / "history.sqlite"
