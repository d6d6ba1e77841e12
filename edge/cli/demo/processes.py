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
from typing import Any

_GRACE_S = 8.0


def free_port() -> int:
    """A TCP port of the loopback address that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Child:
    """`mien COMMAND …` as a process of its own; each JSON line goes to `on_line` and into `OUT/NAME.jsonl`."""

    def __init__(self, name: str, command: list[str], out: Path, on_line: Callable[[dict[str, Any]], None]) -> None:
        self.name = name
        self._seen: dict[str, dict[str, Any]] = {}
        self._changed = threading.Condition()
        self._on_line = on_line
        self._errors: deque[str] = deque(maxlen=20)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "edge.cli", *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,  # Ctrl-C reaches the demo alone, which then ends its children in order
        )
        self._log = (out / f"{name}.jsonl").open("w", encoding="utf-8")
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
        for thread in self._threads:
            thread.join(2.0)
        self._log.close()
        return status

    def last_words(self) -> str:
        """What the process wrote to standard error at its end."""
        for thread in self._threads:
            thread.join(1.0)
        return "\n".join(self._errors) or f"the {self.name} process ended with status {self._process.poll()}"

    def _read(self) -> None:
        assert self._process.stdout is not None
        for text in self._process.stdout:
            try:
                line = json.loads(text)
            except json.JSONDecodeError:
                self._errors.append(text.rstrip())
                continue
            self._log.write(text)
            self._on_line(line)
            with self._changed:
                self._seen[line.get("type") or line.get("event", "")] = line
                self._changed.notify_all()

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        for text in self._process.stderr:
            self._errors.append(text.rstrip())
