"""The demo's two processes: whatever befalls the screen or the disk, they run on, and end with the demo."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edge.cli.demo import processes
from edge.errors import OutputError
from tests.sim.wait import until

_MANY = 3_000  # lines: more than a pipe holds


@pytest.fixture
def spoken(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a line of Python where the demo would run `mien`."""
    begin = subprocess.Popen

    def instead(code: str) -> None:
        def popen(_command: list[str], **options: Any) -> subprocess.Popen[str]:
            return begin([sys.executable, "-c", code], **options)

        monkeypatch.setattr(processes.subprocess, "Popen", popen)

    return instead


def _broken(_line: dict[str, Any]) -> None:
    raise OSError("the terminal is gone")


def test_a_screen_that_fails_stops_nothing(spoken: Any, tmp_path: Path) -> None:
    """The pipe is read on, so the process ends by itself, its lines are kept, and the fault is told."""
    spoken(f"[print('{{\"type\": \"state\", \"pad\": \"' + 'x' * 100 + '\"}}') for _ in range({_MANY})]; print('3')")
    child = processes.Child("device", [], tmp_path, _broken)
    until(lambda: not child.alive)
    assert child.stop() == 0
    assert child.wait_for("state", 0.0)
    assert child.fault is not None
    assert len((tmp_path / "device.jsonl").read_text().splitlines()) == _MANY


def test_what_was_said_is_for_this_user_only(spoken: Any, tmp_path: Path) -> None:
    """The kept lines hold words and states: nobody else may read them, whatever stood there before."""
    (tmp_path / "device.jsonl").write_text("of an older run")
    (tmp_path / "device.jsonl").chmod(0o644)
    spoken('print(\'{"type": "state"}\')')
    processes.Child("device", [], tmp_path, lambda _: None).stop()
    assert (tmp_path / "device.jsonl").stat().st_mode & 0o777 == 0o600


def test_where_nothing_can_be_kept_no_process_begins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder that cannot be written is told before anything runs that nobody would end."""
    monkeypatch.setattr(processes.subprocess, "Popen", lambda *_, **__: pytest.fail("a process was begun"))
    with pytest.raises(OutputError, match="choose another folder for --out"):
        processes.Child("bridge", [], tmp_path / "not there", lambda _: None)


def test_a_process_that_is_slow_is_not_called_ended(spoken: Any, tmp_path: Path) -> None:
    """A busy machine is told from a bridge that ended."""
    spoken(
        "import signal, time; signal.signal(signal.SIGINT, signal.default_int_handler);"
        'print(\'{"type": "begun"}\', flush=True); time.sleep(60)'
    )
    child = processes.Child("bridge", [], tmp_path, lambda _: None)
    try:
        assert child.wait_for("begun", 20.0)
        assert not child.wait_for("ready", 0.1)
        assert "not ready yet" in child.last_words()
    finally:
        status = child.stop()
    assert status in (1, -signal.SIGINT)
    assert "not ready yet" not in child.last_words()


def test_a_second_ctrl_c_leaves_no_process_behind(tmp_path: Path) -> None:
    """Whoever presses again and again, while both are being ended, must not keep a language model in memory."""
    demo = """
import os, signal, sys, threading, time
from pathlib import Path
from edge.cli import demo
from edge.cli.demo import processes
stubborn = (
    "import json, os, pathlib, signal, sys, time; signal.signal(signal.SIGINT, lambda *_: None);"
    "pathlib.Path(sys.argv[1], f'begun-{os.getpid()}').touch();"
    "print(json.dumps(dict(event='ready')), flush=True); time.sleep(60)"
)
begin = processes.subprocess.Popen
def popen(_, **options):
    child = begin([sys.executable, "-c", stubborn, sys.argv[1]], **options)
    print(child.pid, file=sys.stderr, flush=True)
    return child
processes.subprocess.Popen = popen
processes._GRACE_S = 0.5
def press():
    while len(list(Path(sys.argv[1]).glob("begun-*"))) < 2:
        time.sleep(0.01)
    while True:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.001)  # one core must also get to what is pressed
threading.Thread(target=press, daemon=True).start()
signal.signal(signal.SIGINT, signal.SIG_IGN)  # what is pressed once the demo is over
demo._run(Path("x"), "tiny", Path(sys.argv[1]), time.monotonic())
"""
    done = subprocess.run(
        [sys.executable, "-c", demo, str(tmp_path)], capture_output=True, text=True, timeout=300, check=False
    )
    started = [int(line) for line in done.stderr.splitlines() if line.isdigit()]
    assert len(started) == 2, done.stderr
    assert "Traceback" not in done.stderr
    for pid in started:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_demo_in_the_background_ends_its_processes_as_any() -> None:
    """A shell has Ctrl-C ignored there, which children inherit: theirs must end them all the same, not the limit."""
    code = """
import runpy, signal, time
import edge.cli
signal.signal(signal.SIGINT, signal.SIG_IGN)
edge.cli.main = lambda: time.sleep(60)
runpy.run_module("edge.cli._child", run_name="__main__")
"""
    done = subprocess.run([sys.executable, "-c", code], input="", capture_output=True, text=True, check=False)
    assert "KeyboardInterrupt" in done.stderr


def test_a_demo_that_is_killed_leaves_no_process_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Out of memory, a closed terminal: nobody is there to end the bridge, with its language model; it ends itself."""
    demo = """
import sys, time
from pathlib import Path
from edge.cli.demo import processes
def print_pid(line):
    print(line["pid"], flush=True)
model = ["--llm", "openai:nobody@http://127.0.0.1:9/v1", "--tts", "none"]
processes.Child("bridge", ["bridge", "--listen", "127.0.0.1:0", *model, "--json"], Path(sys.argv[1]), print_pid)
time.sleep(60)
"""
    monkeypatch.setenv("MIEN_STATE", str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", demo, str(tmp_path)], stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        child = int(killed.stdout.readline())
        killed.kill()
    until(lambda: not Path(f"/proc/{child}").exists(), 30.0)
