"""What the demo runs on is asked for once, and has an answer when nobody gives one."""

from __future__ import annotations

import builtins
import errno
import os
import subprocess
from pathlib import Path

import pytest

from edge import clip
from edge.cli.demo import choose, main
from edge.errors import ConfigError, OutputError


def test_a_terminal_that_nobody_sits_at_takes_the_default(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-D at the question is no crash: the default is taken, and the screen says how to take another."""

    def nobody(_: str) -> str:
        raise EOFError

    monkeypatch.delenv("MIEN_LLM", raising=False)
    monkeypatch.setattr(choose.store, "state", lambda _: "absent")
    monkeypatch.setattr(builtins, "input", nobody)
    assert choose.choose_llm(None, ask=True) == "local"
    assert "MIEN_LLM=tiny" in capsys.readouterr().err.splitlines()[-1]
    monkeypatch.setattr(builtins, "input", lambda _: "2")
    assert choose.choose_llm(None, ask=True) == "tiny"


def test_a_disk_that_takes_no_drawn_clip_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One sentence that names the folder, not a traceback."""
    monkeypatch.setenv("MIEN_DATA", str(tmp_path))
    monkeypatch.setattr(choose.subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(clip, "make_clip", full)
    with pytest.raises(OutputError, match=r"No space left on device.*--out"):
        choose.choose_clip(tmp_path)


@pytest.mark.parametrize("words", [["--clip", "none.mp4"], ["--llm", "tinny"], ["--llm", "openai:"]])
def test_what_cannot_work_is_refused_before_anything_is_fetched(
    words: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A typing error does not cost a gigabyte first."""

    def fetched(_llm: str) -> None:
        raise AssertionError("models were asked for")

    monkeypatch.setattr("edge.cli.demo.pull_models", fetched)
    with pytest.raises(ConfigError, match=r"no clip at none.mp4|no language model"):
        main([*words, "--yes", "--out", str(tmp_path)])
