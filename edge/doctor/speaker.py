"""Can each speaker of the settings be opened?"""

from __future__ import annotations

from edge import plugin
from edge.config import Config
from edge.doctor.base import Finding, of_error
from edge.errors import OutputError


def check(config: Config) -> list[Finding]:
    """One finding for each speaker. It is opened for a moment; nothing is played."""
    return [_open(text) for text in config.outputs if text.partition(":")[0] == "speaker"]


def _open(text: str) -> Finding:
    speaker = plugin.load("edge.outputs", "speaker").create(text.partition(":")[2])
    try:
        speaker.open()
    except OutputError as error:
        return of_error("speaker", error)
    finally:
        speaker.close()
    return Finding("speaker", "ok", f"{text} can be opened")
