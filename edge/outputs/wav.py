"""`wav:PATH`: keeps what was said as a WAV file. Its header is right after each write, even if the process is killed.

It keeps what was heard: when a reply is interrupted, what had not been played by then is cut off again.
"""

from __future__ import annotations

import os
import struct
import threading
from pathlib import Path
from typing import BinaryIO

from edge.clock import now_s
from edge.errors import OutputError
from edge.files import create_private
from edge.outputs._rate import Rate

_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_MOST_BYTES = 2**32 - _HEADER.size - 2  # a WAV header counts in 32 bits


def create(target: str) -> WavFile:
    """The file `target`."""
    return WavFile(Path(target or "reply.wav"))


class WavFile:
    """A WAV file, 16-bit mono, at the rate of the first sound; what comes at another rate is resampled."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None
        self._rate: Rate | None = None
        self._bytes = 0
        self._quiet_s = 0.0  # when a speaker would have played it all
        self._lock = threading.Lock()

    def open(self) -> None:
        """Create the file and its folder. Raises OutputError."""
        self.close()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.fdopen(create_private(self.path.resolve()), "wb", buffering=0)  # it tells what was said
        except OSError as error:
            raise OutputError(f"{self.path} cannot be written ({error.strerror}): choose another place") from error
        self._rate, self._bytes, self._quiet_s = None, 0, 0.0
        self._write(b"", Rate(16_000))

    def play(self, audio: bytes, sample_rate: int) -> None:
        """Append sound. Raises OutputError when the disk is full."""
        with self._lock:
            if self._rate is None:
                self._rate = Rate(sample_rate)
            self._quiet_s = max(self._quiet_s, now_s()) + len(audio) / 2 / sample_rate
            self._write(self._rate.convert(audio, sample_rate), self._rate)

    def stop(self) -> None:
        """Cut off what had not been played by now."""
        with self._lock:
            if self._file is None or self._rate is None:
                return
            unheard = 2 * int(max(0.0, self._quiet_s - now_s()) * self._rate.rate)
            self._bytes = max(0, self._bytes - unheard)
            self._quiet_s = 0.0
            self._file.truncate(_HEADER.size + self._bytes)
            self._write(b"", self._rate)

    def show(self, text: str, final: bool) -> None:
        """A sound file shows no text."""

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def _write(self, audio: bytes, rate: Rate) -> None:
        if self._file is None:
            raise OutputError(f"{self.path} is not open")
        if self._bytes + len(audio) > _MOST_BYTES:
            raise OutputError(f"{self.path} is full: a WAV file holds 4 GB; start anew")
        try:
            self._file.seek(_HEADER.size + self._bytes)
            self._file.write(audio)
            self._bytes += len(audio)
            self._file.seek(0)
            self._file.write(_header(rate.rate, self._bytes))
        except OSError as error:
            raise OutputError(f"{self.path} cannot be written ({error.strerror}): free some space") from error


def _header(rate: int, size: int) -> bytes:
    """RIFF header of 16-bit mono PCM (Microsoft, Multimedia Programming Interface 1.0, 1991)."""
    return _HEADER.pack(b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16, b"data", size)
