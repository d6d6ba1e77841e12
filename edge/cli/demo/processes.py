"""Child processes that speak JSON lines on standard output."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from edge.errors import OutputError
from edge.files import create_private

_GRACE_S = 8.0


def free_port() -> int:
    """A TCP port of the loopback address that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Child:
    """`mien COMMAND …` as a process of its own; each JSON line goes to `on_line` and into `OUT/NAME.jsonl`.

    `fault`: why a line could not be shown or kept; the process goes on. Raises OutputError where `out` cannot be
    written.
    """

    def __init__(self, name: str, command: list[str], out: Path, on_line: Callable[[dict[str, Any]], None]) -> None:
        self.name = name
        self.fault: str | None = None
        self._seen: set[str] = set()
        self._changed = threading.Condition()
        self._on_line = on_line
        self._errors: deque[str] = deque(maxlen=20)
        self._log = _private(out / f"{name}.jsonl")  # before the process begins, for this may fail
        self._process = subprocess.Popen(
            [sys.executable, "-m", "edge.cli._child", *command],
            stdin=subprocess.PIPE,  # held open as long as we live: the child ends with us, even if we are killed
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,  # Ctrl-C reaches the demo alone, which then ends its children in order
        )
        self._threads = [threading.Thread(target=target, daemon=True) for target in (self._read, self._read_errors)]
        for thread in self._threads:
            thread.start()

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def wait_for(self, kind: str, timeout_s: float) -> bool:
        """Wait for a line of type `kind`; False when it did not come in time or the process ended before."""
        end_s = time.monotonic() + timeout_s
        with self._changed:
            while kind not in self._seen and self.alive and time.monotonic() < end_s:
                self._changed.wait(0.2)
            return kind in self._seen

    def join(self, timeout_s: float | None) -> None:
        """Wait until the process ends, at most `timeout_s`."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout_s)

    def stop(self) -> int:
        """End the process as Ctrl-C would, then harder; its exit status."""
        if self.alive:
            self._process.send_signal(signal.SIGINT)
            self.join(_GRACE_S)
        if self.alive:
            self._process.kill()
        status = self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()
        for thread in self._threads:
            thread.join(2.0)
        try:
            self._log.close()
        except OSError as error:
            self.fault = f"{type(error).__name__}: {error}"
        return status

    def last_words(self) -> str:
        """What the process wrote to standard error at its end."""
        for thread in self._threads:
            thread.join(1.0)
        if self._errors:
            return "\n".join(self._errors)
        if self.alive:
            return f"the {self.name} process is not ready yet: this machine is too busy, or has too little memory"
        return f"the {self.name} process ended with status {self._process.poll()}"

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for text in lines:
                self._read_line(text)

    def _read_line(self, text: str) -> None:
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            self._errors.append(text.rstrip())
            return
        try:
            with self._changed:
                self._seen.add(line.get("type") or line.get("event", ""))
                self._changed.notify_all()
            self._log.write(text)
            self._on_line(line)
        except Exception as error:  # a full disk, a closed terminal: unread, the pipe would stop the process
            self.fault = f"{type(error).__name__}: {error}"

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            for text in lines:
                self._errors.append(text.rstrip())


def _private(path: Path) -> TextIO:
    """`path`, emptied, for this user only: it holds what was said and felt."""
    try:
        return os.fdopen(create_private(path), "w", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror}): choose another folder for --out") from error
