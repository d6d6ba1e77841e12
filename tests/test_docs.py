"""What the pages name is there: files, commands and their flags."""

from __future__ import annotations

import contextlib
import io
import re
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), ROOT / "edge" / "wire" / "README.md"])
COMMANDS = {point.name: point for point in entry_points(group="mien.commands")}
# What a command's own help does not list: commands below it.
BELOW = {"bridge": (["claim", "new"], ["devices"], ["revoke"], ["issue"], ["trace"], ["forget"])}


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def code(page: Path) -> list[str]:
    """The page's code: each span, and each line of a block."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"(?ms)^```\w*\n(.*?)^```", text)
    spans = re.findall(r"`([^`]+)`", re.sub(r"(?ms)^```.*?^```", "", text))
    return [line for block in blocks for line in block.splitlines()] + [" ".join(span.split()) for span in spans]


@cache
def helped(command: str) -> str:
    """What `mien COMMAND --help` prints, and the help of what stands below it."""
    told = io.StringIO()
    for words in ([], *BELOW.get(command, ())):
        with contextlib.redirect_stdout(told), pytest.raises(SystemExit):
            COMMANDS[command].load()([*words, "--help"])
    if command == "train":  # a recipe's own help needs what it trains with
        told.writelines(recipe.read_text(encoding="utf-8") for recipe in (ROOT / "models" / "train").glob("*.py"))
    return told.getvalue()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_file_that_a_page_links_is_there(page: Path) -> None:
    """A reader who clicks arrives."""
    targets = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    missing = [
        target
        for target in targets
        if "://" not in target and not (page.parent / target.partition("#")[0]).resolve().exists()
    ]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_command_and_flag_that_a_page_names_is_there(page: Path) -> None:
    """What is copied from a page runs."""
    wrong = []
    for line in code(page):
        for command, words in re.findall(r"(?:^|[\s/])mien ([a-z]+)\b([^·#|…]*)", line):
            if command not in COMMANDS:
                wrong.append(f"mien {command}")
                continue
            wrong += [
                f"mien {command} {flag}"
                for flag in re.findall(r"(?<!\S)(--[a-z][a-z-]*)", words)
                if flag not in helped(command)
            ]
    assert not wrong
