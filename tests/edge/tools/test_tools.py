"""Tools: what a rule calls on the device is checked when it is read, and never holds perception up."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from edge import plugin
from edge.errors import ConfigError, OutputError
from edge.rules import Rules
from edge.tools import alert
from edge.tools.base import Place, Toolbox, check


def rule(tmp_path: Path, arguments: str) -> Path:
    file = tmp_path / "rules.toml"
    when = "drowsiness.level == 'drowsy'"
    file.write_text(f'[[rule]]\nname = "drowsy"\nwhen = "{when}"\ncall = "alert"\narguments = {{ {arguments} }}\n')
    return file


def test_the_shipped_rules_call_tools_as_they_are() -> None:
    """And `alert` is one of them."""
    assert "drowsiness_alert" in Rules.load(None).names
    assert "alert" in plugin.names("edge.tools")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("perclos = 0.2", "needs message"),
        ("message = 3", "takes a text as 'message', not a number"),
        ("message = 'wake up', level = { from = 'drowsiness.level' }", "takes a number as 'level', not a text"),
        ("message = 'wake up', urgent = true", "takes a number as 'urgent', not a flag"),
    ],
)
def test_a_rule_whose_arguments_do_not_fit_is_refused(tmp_path: Path, arguments: str, reason: str) -> None:
    """With file, rule, argument and what the tool takes."""
    with pytest.raises(ConfigError, match=reason) as raised:
        Rules.load(rule(tmp_path, arguments))
    assert "rule 1 ('drowsy')" in str(raised.value)


def test_a_tool_of_the_bridge_is_not_checked_here() -> None:
    """Only the bridge knows what it takes."""
    check("book_a_table", {"guests": "number"})


def test_a_slow_tool_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls return at once; those that find no room are dropped and counted; a fault ends nothing."""
    busy, go, done = threading.Event(), threading.Event(), []

    def call(_place: Place, *, message: str, **_figures: float) -> None:
        busy.set()
        go.wait(10)
        done.append(message)
        if message == "0":
            raise OutputError("no speaker")

    monkeypatch.setattr(alert, "call", call)
    toolbox = Toolbox(Place(()))
    tool = toolbox.tools()["alert"]
    for i in range(12):
        tool(message=str(i), perclos=0.3)
    assert busy.wait(10)
    assert done == []
    assert toolbox.dropped == 4
    go.set()
    toolbox._worker.submit(int).result(10)
    assert done == [str(i) for i in range(8)]
    assert toolbox.faults == 1
    toolbox.close()


def test_an_alert_chimes_on_the_speakers_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three tones that fade in and out; a file output is left alone; without a speaker it fails, and says so."""
    played: list[tuple[str, int]] = []

    class Fake:
        def open(self) -> None: ...
        def close(self) -> None: ...
        def play(self, audio: bytes, sample_rate: int) -> None:
            played.append((audio.hex()[:8], sample_rate))

    from edge.outputs import speaker

    monkeypatch.setattr(speaker, "create", lambda _target: Fake())
    monkeypatch.setattr("time.sleep", lambda _s: None)
    alert.call(Place(("speaker", "wav:reply.wav", "none")), message="Take a break", perclos=0.4)
    assert len(played) == 1
    with pytest.raises(OutputError, match="name no speaker"):
        alert.call(Place(("none",)), message="Take a break")
    sound = np.frombuffer(alert.chime(), dtype="<i2").astype(float) / 32768
    assert 0.45 < np.abs(sound).max() <= 0.51
    assert abs(sound[0]) < 0.01
    assert abs(sound[-1]) < 0.05
