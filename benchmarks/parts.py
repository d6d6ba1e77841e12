"""A benchmark that takes an hour consists of parts: each is kept on disk when it is done, so that what ends the run
between loses nothing, and that one part can be taken again, on a quieter machine, without the others."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.report import commit

Part = Mapping[str, Any]  # what one part found: anything that JSON knows


class Parts:
    """The parts `names` of one run, each kept as `FOLDER/PART.json`; nowhere where `folder` is None.

    All are taken, and what an earlier run left is forgotten; `resume`: only those that it did not finish; `only`: these
    and no other. `not_measured` says why one gave nothing. Parts may be taken from several threads.
    """

    def __init__(
        self, names: Sequence[str], folder: Path | None = None, *, resume: bool = False, only: Sequence[str] = ()
    ) -> None:
        self.names = tuple(names)
        self.not_measured: dict[str, str] = {}
        self._folder = folder
        self._found = {name: found for name in self.names if (found := self._kept(name))}
        if resume:
            wanted = [name for name in self.names if name not in self._found]
        else:
            wanted = [name for name in self.names if not only or name in only]
            self._found = {name: found for name, found in self._found.items() if only and name not in wanted}
        self.wanted = tuple(wanted)
        self._lock = threading.Lock()
        self._ended = 0
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            for name in self.names:
                if name not in self._found:
                    self._file(folder, name).unlink(missing_ok=True)

    def take(self, name: str, measure: Callable[[], Part]) -> None:
        """Run `measure`, if `name` is wanted, and keep what it gives; what it raises is told in `not_measured`."""
        if name not in self.wanted:
            return
        self._say(f"{name} …")
        began_s = time.monotonic()
        try:
            found = measure()
        except Exception as error:  # the other parts are worth having, and this one can be taken again
            self.not_measured[name] = f"{error}" or type(error).__name__
            self._end(f"{name}: not measured: {self.not_measured[name]}")
            return
        seconds = round(time.monotonic() - began_s, 1)
        whole = {
            "commit": commit(),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": seconds,
            "found": found,
        }
        self._found[name] = whole
        if self._folder is not None:
            file = self._file(self._folder, name)
            fresh = file.with_suffix(".new")
            fresh.write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")
            fresh.replace(file)
        self._end(f"{name}: {seconds:.0f} s")

    def found(self, name: str) -> Part | None:
        """What the part gave, in this run or in the one that it continues; None where it gave nothing."""
        whole = self._found.get(name)
        return None if whole is None else whole["found"]

    def origins(self) -> dict[str, dict[str, Any]]:
        """Of each part that there is: commit, date and seconds."""
        return {
            name: {key: self._found[name][key] for key in ("commit", "date", "seconds")}
            for name in self.names
            if name in self._found
        }

    def _kept(self, name: str) -> dict[str, Any] | None:
        if self._folder is None:
            return None
        try:
            whole: dict[str, Any] = json.loads(self._file(self._folder, name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return whole

    @staticmethod
    def _file(folder: Path, name: str) -> Path:
        return folder / f"{name}.json"

    def _end(self, text: str) -> None:
        with self._lock:
            self._ended += 1
            self._say(f"{self._ended} of {len(self.wanted)} · {text}")

    def _say(self, text: str) -> None:
        print(f"  {text}", file=sys.stderr, flush=True)
