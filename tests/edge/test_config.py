"""Settings: what is wrong is said once, with the key and the mend."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.config import Config
from edge.errors import ConfigError


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "mien.toml"
    file.write_text(text)
    return file


def test_a_file_changes_only_what_it_names(tmp_path: Path) -> None:
    """Everything else keeps its default."""
    config = Config.load(write(tmp_path, 'device = "car-7"\n[perceive]\nmax_people = 1\n'))
    assert (config.device, config.perceive.max_people) == ("car-7", 1)
    assert config.sensors == Config().sensors


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sensor = []", "unknown setting 'sensor': there is .*sensors"),
        ("[perceive]\nmax_peple = 2", "unknown setting 'perceive.max_peple': there is .*max_people"),
        ("[perceive]\nmax_people = 0", "perceive.max_people.*at least 1.*it is 0"),
        ('device = "a b"', "device"),
        ('device = ".a"', "device"),
        ("device = ", "no valid TOML"),
    ],
)
def test_a_wrong_setting_is_named_with_its_mend(tmp_path: Path, text: str, says: str) -> None:
    """One error, with file, key, and what would be right."""
    with pytest.raises(ConfigError, match=says) as caught:
        Config.load(write(tmp_path, text))
    assert "mien.toml" in str(caught.value)


def test_a_missing_file_is_one_clear_error(tmp_path: Path) -> None:
    """No traceback, no defaults taken in silence."""
    with pytest.raises(ConfigError, match="no settings file"):
        Config.load(tmp_path / "none.toml")


def test_a_file_that_cannot_be_read_says_why_in_words(tmp_path: Path) -> None:
    """No number of an error, and no text twice."""
    with pytest.raises(ConfigError, match=r"cannot be read: Is a directory$"):
        Config.load(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b'device = "\xe9"')
    with pytest.raises(ConfigError, match="no text in UTF-8"):
        Config.load(tmp_path / "latin.toml")
