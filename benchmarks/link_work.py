"""What a process works: processor time, and how often it was woken. From proc(5), of all its threads."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Spent(NamedTuple):
    """So far."""

    cpu_us: float
    wakes: int  # times that one of its threads slept

    @classmethod
    def by(cls, pid: int) -> Spent:
        """What the threads of process `pid` that run now have spent."""
        cpu_ns = wakes = 0
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):  # it ended meanwhile
                cpu_ns += int((task / "schedstat").read_text().split()[0])
                wakes += int((task / "status").read_text().rpartition("\nvoluntary_ctxt_switches:")[2].split()[0])
        return cls(cpu_ns / 1e3, wakes)

    def since(self, before: Spent) -> Spent:
        """What was added."""
        return Spent(self.cpu_us - before.cpu_us, self.wakes - before.wakes)


class Work:
    """What both ends of each way spend on round trips."""

    def __init__(self) -> None:
        self._spent: dict[str, list[float]] = {}  # way → round trips, then CPU and wake-ups of this end and the other

    @contextlib.contextmanager
    def of(self, way: str, trips: int, other: int) -> Iterator[None]:
        """Count what this process and `other` do inside of the `with`, which makes so many `trips`."""
        pids = (os.getpid(), other)
        before = [Spent.by(pid) for pid in pids]
        yield
        spent = [number for pid, past in zip(pids, before, strict=True) for number in Spent.by(pid).since(past)]
        sums = self._spent.get(way, [0.0] * 5)
        self._spent[way] = [a + b for a, b in zip(sums, (trips, *spent), strict=True)]

    def each(self) -> dict[str, dict[str, float]]:
        """Way → what one round trip of it takes."""
        names = ("device_cpu_us", "device_wakes", "other_cpu_us", "other_wakes")
        return {
            way: {name: round(spent / trips, 2) for name, spent in zip(names, sums, strict=True)}
            for way, (trips, *sums) in self._spent.items()
        }
