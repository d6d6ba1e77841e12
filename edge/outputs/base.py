"""What every output of a reply can do."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


class Output(Protocol):
    """A speaker, file, terminal or light. Its methods may be called from any thread, and none but `open` waits.

    `edge/outputs/NAME.py` has `create(target: str) -> Output`; `target` is what follows `NAME:` in the settings. An
    output that has no sound or no text ignores it.
    """

    def open(self) -> None:
        """Take hold of the device. Raises OutputError with the mend."""

    def play(self, audio: bytes, sample_rate: int) -> None:
        """Queue sound: 16-bit little-endian mono at `sample_rate` Hz. Raises OutputError when the device is gone."""

    def stop(self) -> None:
        """Be silent at once and forget what is queued (the person speaks)."""

    def show(self, text: str, final: bool) -> None:
        """Show the next part of the reply's text; `final` ends the reply."""

    def close(self) -> None:
        """Let go of the device; may be called twice, and before `open`."""


@runtime_checkable
class Warmed(Protocol):
    """An output that takes a moment to begin."""

    def warm(self) -> None:
        """Sound may come soon. Does not wait."""
