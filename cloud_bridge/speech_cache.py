"""Prepared lines on disk, so that a bridge that starts again need not speak them again: bounded, the oldest go first.

One file a line and voice: a JSON header line, then the PCM of all parts. Only the bridge's own lines come here, never
what a model answered.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path

from cloud_bridge.cache import touch, trim
from cloud_bridge.providers.base import Sound, Viseme

MOST_MB = 64  # some eight voices
_SUFFIX = ".speech"


class SpeechCache:
    """Lines in `folder`, `most` bytes at most. `dropped`: files that had to go since the start.

    A cache that cannot be read or written costs time, not function: nothing here raises.
    """

    def __init__(self, folder: Path, most: int = MOST_MB * 1_000_000) -> None:
        self.dropped = 0
        self._folder = folder
        self._most = most

    def read(self, voice: str, line: str) -> tuple[Sound, ...] | None:
        """The sound of `line` in `voice`; None where it is missing or broken."""
        file = self._file(voice, line)
        try:
            head, _, pcm = file.read_bytes().partition(b"\n")
            sounds: list[Sound] = []
            at = 0
            for part in json.loads(head):
                visemes = tuple(Viseme(int(a), int(b), str(c)) for a, b, c in part["visemes"])
                sounds.append(Sound(pcm[at : at + part["bytes"]], int(part["sample_rate"]), visemes))
                at += part["bytes"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        touch(file)
        return tuple(sounds) if at == len(pcm) and at else None

    def write(self, voice: str, line: str, sounds: tuple[Sound, ...]) -> None:
        """Keep `sounds`, and let the longest unused go where there are too many."""
        head = [
            {
                "sample_rate": sound.sample_rate,
                "bytes": len(sound.pcm),
                "visemes": [[one.at, one.length, one.shape] for one in sound.visemes],
            }
            for sound in sounds
        ]
        file = self._file(voice, line)
        fresh = file.with_suffix(f".{os.getpid()}")
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            fresh.write_bytes(json.dumps(head).encode() + b"\n" + b"".join(sound.pcm for sound in sounds))
            fresh.replace(file)
            self.dropped += trim(self._folder, self._most)

    def _file(self, voice: str, line: str) -> Path:
        key = hashlib.sha256(f"2\n{voice}\n{line}".encode()).hexdigest()[:32]
        return self._folder / f"{key}{_SUFFIX}"
