"""What the demo runs on is asked for once, and has an answer when nobody gives one."""

from __future__ import annotations

import builtins

import pytest

from edge.cli.demo import choose


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
