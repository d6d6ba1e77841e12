"""The bridge's own folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloud_bridge.errors import SettingError
from cloud_bridge.state import state_folder


def test_the_folder_is_made_for_this_user_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In MIEN_STATE where it is set, else in the user's state folder; mode 0700."""
    monkeypatch.setenv("MIEN_STATE", str(tmp_path / "chosen"))
    assert state_folder() == tmp_path / "chosen" / "bridge"
    assert state_folder().stat().st_mode & 0o777 == 0o700
    monkeypatch.delenv("MIEN_STATE")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    assert state_folder() == tmp_path / "xdg" / "mien" / "bridge"


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the mend."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MIEN_STATE", str(tmp_path / "file"))
    with pytest.raises(SettingError, match="set MIEN_STATE"):
        state_folder()
