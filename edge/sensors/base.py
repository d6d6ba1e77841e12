"""What every source of frames can do."""

from __future__ import annotations

from typing import Protocol

from edge.types import Frame

BLOCK = 512
"""Samples of one AudioFrame: 32 ms at 16 kHz."""


class EndOfStream(Exception):  # noqa: N818
    """Nothing more will come: a file was read to its end. No fault, and so no MienError."""


class Sensor(Protocol):
    """A camera, microphone, file or network stream. Opened, read and closed on one thread.

    `uri`: as the user wrote it. `live`: a device that is worth reopening when it fails; a file is not. `has_audio`,
    `has_video`: what it gives; of a file, known once it is open.
    """

    uri: str
    live: bool
    has_audio: bool
    has_video: bool

    def open(self) -> None:
        """Take hold of the source. Raises SensorMissing (not there, no permission) or MediaError (undecodable)."""

    def read(self, timeout_s: float) -> Frame | None:
        """The next frame, or None when none came in `timeout_s`. Raises EndOfStream, SensorMissing or MediaError."""

    def close(self) -> None:
        """Let go of the source; may be called twice, and before `open`."""
