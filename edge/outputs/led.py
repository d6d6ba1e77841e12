"""`led:NAME`: a light that shows, truthfully, whether a camera or microphone is open (`/sys/class/leds/NAME`).

It follows `Supervised.capturing`: call `follow` whenever a sensor's state changes.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from edge.errors import OutputError


class Capturing(Protocol):
    """A sensor that knows whether its device may be open."""

    @property
    def capturing(self) -> bool:
        """Whether its device may be open."""


def create(target: str) -> Led:
    """The light `target` of this board. `MIEN_LEDS` names another folder than `/sys/class/leds`."""
    return Led(target or "mien", Path(os.environ.get("MIEN_LEDS", "/sys/class/leds")))


class Led:
    """One light of the kernel's LED class."""

    def __init__(self, name: str, folder: Path) -> None:
        self._path = folder / name
        self._lock = threading.Lock()
        self.lit: bool | None = None  # None: not known

    def open(self) -> None:
        """Take the light from its kernel trigger, and put it out. Raises OutputError."""
        if not (self._path / "brightness").exists():
            there = ", ".join(sorted(one.name for one in self._path.parent.glob("*"))) or "none"
            raise OutputError(f"no light '{self._path.name}': there is {there}; name one as led:NAME")
        trigger = self._path / "trigger"
        if trigger.exists():
            self._write(trigger, "none")
        self._set(lit=False)

    def follow(self, sensors: Iterable[Capturing]) -> None:
        """Light it if any of `sensors` may have its device open, else put it out. Raises OutputError."""
        self._set(lit=any(one.capturing for one in sensors))

    def play(self, audio: bytes, sample_rate: int) -> None:
        """A light plays no sound."""

    def stop(self) -> None:
        """An interruption does not change what is captured."""

    def show(self, text: str, final: bool) -> None:
        """A light shows no text."""

    def close(self) -> None:
        """Leave the light as it is: only the sensors' end may put it out."""

    def _set(self, *, lit: bool) -> None:
        with self._lock:
            brightest = self._path / "max_brightness"
            value = (brightest.read_text(encoding="ascii").strip() if brightest.exists() else "1") if lit else "0"
            self._write(self._path / "brightness", value)
            self.lit = lit

    def _write(self, file: Path, value: str) -> None:
        try:
            file.write_text(value, encoding="ascii")
        except OSError as error:
            self.lit = None
            raise OutputError(
                f"{file} cannot be written ({error.strerror}): allow it by a udev rule, or run as root"
            ) from error
