"""`speaker`: plays replies, by PortAudio. `speaker:3` by number, `speaker:USB` by a part of its name.

The device is held only while something is played, so that PortAudio can look for new devices in between.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import Any

from edge import portaudio
from edge.errors import OutputError
from edge.outputs._rate import Rate

log = logging.getLogger(__name__)

_PIECE_S = 0.02  # written at a time: how long `stop` may wait for a write
_MOST_S = 120.0  # sound that may wait to be played; what exceeds it is dropped and counted
_USUAL_HZ = 22_050  # what the bridge's own voice speaks at
_IDLE_S = 1.0  # after so long without sound the device is let go


def create(target: str) -> Speaker:
    """The speaker that `target` names; the default one for an empty target."""
    return Speaker(int(target) if target.isdigit() else target or None)


class Speaker:
    """One speaker. `device`: PortAudio's number, a part of its name, or None for the default."""

    def __init__(self, device: int | str | None = None) -> None:
        self._device = device
        self._queue: deque[tuple[bytes, int]] = deque()
        self._waiting_s = 0.0
        self._changed = threading.Condition()
        self._hush = False  # `stop` was called: throw away what the device holds
        self._warm = False  # `warm` was called: open the device before there is sound
        self._closing = False
        self._fault: str | None = None
        self._thread: threading.Thread | None = None
        self.dropped_s = 0.0

    def open(self) -> None:
        """Make sure that there is a speaker. Raises OutputError: no PortAudio, no such device, in use."""
        self.close()
        _let_go(self._open_stream(16_000)[0])
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="speaker", daemon=True)
        self._thread.start()

    def play(self, audio: bytes, sample_rate: int) -> None:
        """Queue sound. Raises OutputError, once, when the device failed on what was queued before."""
        with self._changed:
            fault, self._fault = self._fault, None
            if fault is not None:
                raise OutputError(fault)
            seconds = len(audio) / 2 / sample_rate
            if self._waiting_s + seconds > _MOST_S:
                self.dropped_s += seconds
                return
            self._waiting_s += seconds
            self._queue.append((audio, sample_rate))
            self._changed.notify_all()

    def warm(self) -> None:
        """Sound may come soon: open the device now, as the last sound needed it, for that takes a moment."""
        with self._changed:
            self._warm = True
            self._changed.notify_all()

    def stop(self) -> None:
        """Be silent within a few tens of milliseconds: what the device has buffered is thrown away, too."""
        with self._changed:
            self._queue.clear()
            self._waiting_s = 0.0
            self._hush = True
            self._changed.notify_all()

    def show(self, text: str, final: bool) -> None:
        """A speaker shows no text."""

    def close(self) -> None:
        """End the thread and let go of the device."""
        with self._changed:
            self._closing = True
            self._queue.clear()
            self._waiting_s = 0.0
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(2.0)
            self._thread = None

    @property
    def waiting_s(self) -> float:
        """Seconds of sound that are queued and not yet with the device."""
        with self._changed:
            return self._waiting_s

    # ------------------------------------------------------------ the speaker's thread

    def _run(self) -> None:
        stream: Any = None
        rate, asked = Rate(0), _USUAL_HZ
        while True:
            with self._changed:
                awake = self._changed.wait_for(
                    lambda: bool(self._queue) or self._closing or self._hush or self._warm, _IDLE_S
                )
                hush, self._hush = self._hush, False
                warm, self._warm = self._warm, False
                item = self._queue.popleft() if self._queue else None
                closing = self._closing
            try:
                if stream is not None and hush:
                    stream.abort()  # drops what the device holds; PortAudio's `stop` would play it out
                    stream.start()
                if stream is not None and (closing or not awake or (item and item[1] != asked)):
                    if not hush:
                        stream.stop()  # plays out
                    _let_go(stream)
                    stream = None
                if closing:
                    return
                if stream is None and (item is not None or warm):
                    asked = item[1] if item is not None else asked
                    stream, rate = self._open_stream(asked)
                if item is not None:
                    self._write(stream, rate, item)
            except OutputError as error:
                self._fail(str(error))
            except Exception as error:  # PortAudio's; whatever it is, this thread goes on and the next `play` tells
                if stream is not None:
                    _let_go(stream)
                stream = None
                self._fail(f"the speaker stopped ({type(error).__name__}: {error}): plug it in again")
                if closing:
                    return

    def _write(self, stream: Any, rate: Rate, item: tuple[bytes, int]) -> None:
        audio, sample_rate = item
        piece = int(_PIECE_S * sample_rate) * 2
        for start in range(0, len(audio), piece):
            part = audio[start : start + piece]
            with self._changed:
                if self._hush or self._closing:
                    return
                self._waiting_s = max(0.0, self._waiting_s - len(part) / 2 / sample_rate)
            stream.write(rate.convert(part, sample_rate))

    def _open_stream(self, sample_rate: int) -> tuple[Any, Rate]:
        """A running stream at this rate, or at the device's own with a converter."""
        try:
            with portaudio.opening() as sounddevice:
                try:
                    info = sounddevice.query_devices(self._device, "output")
                except (ValueError, sounddevice.PortAudioError) as error:
                    raise OutputError(
                        f"no speaker '{self._device or 'default'}' here; {_speakers(sounddevice)}"
                    ) from error
                rate = _rate(sounddevice, info, sample_rate)
                try:
                    stream = sounddevice.RawOutputStream(
                        samplerate=rate, device=info["index"], channels=1, dtype="int16", latency="low"
                    )
                    stream.start()
                except sounddevice.PortAudioError as error:
                    raise OutputError(
                        f"{info['name']} cannot be opened ({str(error).splitlines()[0]}): end the program that uses it"
                    ) from error
        except portaudio.NoPortAudio as error:
            raise OutputError(f"no sound: {error}") from error
        return stream, Rate(rate)

    def _fail(self, fault: str) -> None:
        log.warning("%s", fault)
        with self._changed:
            self._fault = fault
            self._queue.clear()
            self._waiting_s = 0.0


def _let_go(stream: Any) -> None:
    stream.close(ignore_errors=True)
    portaudio.closed()


def _rate(sounddevice: Any, info: Any, wanted: int) -> int:
    try:
        sounddevice.check_output_settings(info["index"], 1, "int16", samplerate=wanted)
    except sounddevice.PortAudioError:
        return int(info["default_samplerate"])
    return wanted


def _speakers(sounddevice: Any) -> str:
    found = [f"{one['index']} {one['name']}" for one in sounddevice.query_devices() if one["max_output_channels"]]
    if not found:
        return "this machine has none: plug one in, or give the container /dev/snd"
    return f"there is {', '.join(found)}: name one as speaker:NUMBER"
