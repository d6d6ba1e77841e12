"""What every source of frames can do."""

from __future__ import annotations

import re
from typing import Protocol, cast, runtime_checkable

from edge import plugin
from edge.errors import ConfigError
from edge.types import Frame

BLOCK = 512
"""Samples of one AudioFrame: 32 ms at 16 kHz."""


class EndOfStream(Exception):  # noqa: N818
    """Nothing more will come: a file was read to its end. No fault, and so no MienError."""


class Sensor(Protocol):
    """A camera, microphone, file or network stream. Opened, read and closed on one thread.

    `uri`: as the user wrote it. `live`: a device that is worth reopening when it fails; a file is not. `has_audio`,
    `has_video`: what it gives; of a file, known once it is open. `damaged`: packets or pictures since `open` that came
    broken and were skipped.
    """

    uri: str
    live: bool
    has_audio: bool
    has_video: bool
    damaged: int

    def open(self) -> None:
        """Take hold of the source. Raises SensorMissing (not there, no permission) or MediaError (undecodable)."""

    def read(self, timeout_s: float) -> Frame | None:
        """The next frame, or None when none came in `timeout_s`. Raises EndOfStream, SensorMissing or MediaError."""

    def close(self) -> None:
        """Let go of the source; may be called twice, and before `open`."""


@runtime_checkable
class Resting(Protocol):
    """A sensor that can leave out pictures which nobody wants, and need not wake for them."""

    def rest(self, until_s: float) -> None:
        """Leave out pictures captured before `until_s` (monotonic); sound comes as always."""


def from_text(text: str, *, paced: bool = True) -> Sensor:
    """The sensor that a URI such as `camera://0` names; nothing is opened yet.

    Raises PluginError (no such scheme) or ConfigError (a query key or value that it does not know).
    """
    uri = plugin.Uri.parse(text)
    return cast(Sensor, plugin.load("edge.sensors", uri.scheme).from_uri(uri, paced=paced))


def options(uri: plugin.Uri, **defaults: str) -> dict[str, str]:
    """The URI's query over `defaults`. Raises ConfigError, naming the keys there are."""
    if unknown := sorted(set(uri.query) - set(defaults)):
        known = ", ".join(defaults) or "none"
        raise ConfigError(f"{uri.scheme}:// does not know the option '{unknown[0]}': there is {known}")
    return defaults | uri.query


def positive(uri: plugin.Uri, key: str, value: str) -> int:
    """`value` as a whole number above 0. Raises ConfigError."""
    if not value.isdigit() or int(value) == 0:
        raise ConfigError(f"{uri.scheme}://…?{key}={value}: give a whole number above 0")
    return int(value)


def without_password(text: str) -> str:
    """`text` with the `user:password@` of every address in it blotted out: for messages and names."""
    return re.sub(r"//[^/@\s]*@", "//…@", text)
