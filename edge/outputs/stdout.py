"""`stdout`: the reply's text on the terminal, as it streams."""

from __future__ import annotations

import sys
import threading


def create(target: str) -> Stdout:
    """The terminal; it takes no target."""
    return Stdout()


class Stdout:
    """The standard output."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun = False

    def open(self) -> None:
        """The standard output is always there."""

    def play(self, audio: bytes, sample_rate: int) -> None:
        """A terminal plays no sound."""

    def stop(self) -> None:
        """Mark that the reply was interrupted."""
        with self._lock:
            if self._begun:
                print(" —", flush=True)
                self._begun = False

    def show(self, text: str, final: bool) -> None:
        """Print the next sentence; a reply is one line."""
        with self._lock:
            if text:
                print(f"{' ' if self._begun else '« '}{text.strip()}", end="", flush=True)
                self._begun = True
            if final and self._begun:
                print(" »", flush=True)
                self._begun = False

    def close(self) -> None:
        """End the line."""
        self.stop()
        sys.stdout.flush()
