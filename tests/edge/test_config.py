"""Settings: what is wrong is said once, with the key and the mend."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from edge.config import Config
from edge.errors import ConfigError
from edge.sensors.base import from_text


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


def test_the_page_of_settings_tells_each_one_with_its_default(tmp_path: Path) -> None:
    """Whoever copies it changes nothing; what has no default is written as it is read; none is left out."""
    page = (Path(__file__).parents[2] / "docs" / "settings.md").read_text(encoding="utf-8")
    found = re.search(r"```toml\n(.*?)```", page, re.DOTALL)
    assert found is not None
    assert Config.load(write(tmp_path, found[1])) == Config()
    told = Config.load(write(tmp_path, re.sub(r"(?m)^# (?=\w+ = )", "", found[1])))
    for part in (told, told.perceive, told.purpose, told.link):
        for one in fields(part):
            assert re.search(rf"(?m)^(# )?{one.name} = |^\[{one.name}\]$", found[1]), one.name
            assert getattr(part, one.name) is not None


@pytest.mark.parametrize("scheme", ["camera", "libcamera", "argus", "mic", "synthetic"])
def test_the_page_of_settings_tells_options_that_a_sensor_takes(scheme: str) -> None:
    """Each one: what a sensor does not know it refuses, with a list of what it does."""
    page = (Path(__file__).parents[2] / "docs" / "settings.md").read_text(encoding="utf-8")
    (row,) = (line for line in page.splitlines() if line.startswith(f"| `{scheme}://"))
    told = re.findall(r"`(\w+)", row.split("|")[3])
    with pytest.raises(ConfigError) as caught:
        from_text(f"{scheme}://0?nonesuch=1")
    assert told
    assert set(told) <= set(re.findall(r"\w+", str(caught.value).partition("there is ")[2]))
