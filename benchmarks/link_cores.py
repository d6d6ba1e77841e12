"""What a round trip owes to cores that halt.

A virtual core without work is handed back to the hypervisor, and to wake it takes some 60 µs: on an idle virtual
machine a round trip between processes consists of that, because each of them is woken on a core that sleeps. Two
settings show the same path without it. `Awake`: a spinner on each core, of the class that gives way to whatever else
wants to run (SCHED_IDLE); as on a board whose cores do not halt, and on a machine that has something else to do.
`OneCore`: all processes on one core, which one leaves as the next begins. `python -m benchmarks.link_cores CORE` is a
spinner.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
from pathlib import Path
from types import TracebackType

POSSIBLE = hasattr(os, "SCHED_IDLE")


class Awake:
    """Keeps every core that this process may use from halting, inside of a `with`; asleep at first."""

    def __init__(self) -> None:
        cores = sorted(os.sched_getaffinity(0))
        self._spinners = [
            subprocess.Popen(
                [sys.executable, "-m", __name__, str(core)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
            )
            for core in cores
        ]
        self._toggle()
        self._toggle()  # all have started

    def __enter__(self) -> None:
        self._toggle()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._toggle()

    def close(self) -> None:
        """End them."""
        for one in self._spinners:
            one.kill()
            one.communicate()

    def _toggle(self) -> None:
        for one in self._spinners:
            assert one.stdin is not None
            assert one.stdout is not None
            one.stdin.write(b".")
            if not one.stdout.read(1):
                raise RuntimeError("a spinner did not start")


class OneCore:
    """Has this process and its children run on one core, inside of a `with`."""

    def __init__(self) -> None:
        self._before: dict[int, set[int]] = {}  # thread → the cores that it may use otherwise

    def __enter__(self) -> None:
        self._before = {thread: os.sched_getaffinity(thread) for thread in _threads()}
        core = min(os.sched_getaffinity(0))
        for thread in self._before:
            os.sched_setaffinity(thread, {core})

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for thread, cores in self._before.items():
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(thread, cores)


def _threads() -> list[int]:
    """Of this process and its children."""
    own = Path("/proc/self/task")
    children = " ".join(file.read_text() for file in own.glob("*/children")).split()
    return [int(task.name) for process in ["self", *children] for task in Path(f"/proc/{process}/task").iterdir()]


def _spin(core: int) -> None:
    """Asleep until told, awake until told again, until nobody is there to tell."""
    os.sched_setaffinity(0, {core})
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    while os.read(0, 1):
        os.write(1, b".")
        while not select.select([0], [], [], 0)[0]:
            pass
        if os.read(0, 1):
            os.write(1, b".")


if __name__ == "__main__":
    _spin(int(sys.argv[1]))
