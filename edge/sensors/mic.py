"""`mic://default`: a microphone, by PortAudio. `mic://2` by number, `mic://?device=USB` by a part of its name.

It is opened at 16 kHz mono where the device can, else at its own rate and resampled.
"""

from __future__ import annotations

import queue
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edge import portaudio
from edge.clock import now_s
from edge.errors import ConfigError, SensorMissing
from edge.plugin import Uri
from edge.sensors._blocks import Blocks
from edge.sensors._liveclock import LiveClock
from edge.sensors.base import BLOCK, options
from edge.types import SAMPLE_RATE, AudioFrame

if TYPE_CHECKING:
    from edge.sensors._resample import Resampler

_MOST_WAITING = 64  # blocks (2 s) between PortAudio's thread and the reader; then sound is lost, and counted


_Heard = tuple[float, npt.NDArray[np.float32], bool]  # capture time, samples (n, channels), sound before it was lost


def from_uri(uri: Uri, *, paced: bool = True) -> Microphone:
    """The microphone that `uri` names. Raises ConfigError."""
    chosen = options(uri, device="")
    device = chosen["device"] or uri.host.removeprefix("default")
    if uri.path not in {"", "/"}:
        raise ConfigError(f"{uri.text}: name a microphone by number (mic://2) or name (mic://?device=USB)")
    return Microphone(uri.text, int(device) if device.isdigit() else device or None)


class Microphone:
    """One microphone. `device`: PortAudio's number, a part of its name, or None for the default."""

    live = True
    has_audio = True
    has_video = False

    def __init__(self, uri: str = "mic://", device: int | str | None = None) -> None:
        self.uri = uri
        self.damaged = 0  # stretches of sound that the driver lost, or the reader was too late for
        self._device = device
        self._stream: Any = None
        self._begin(SAMPLE_RATE)

    def open(self) -> None:
        """Open the microphone. Raises SensorMissing: no PortAudio, no such device, in use, no permission."""
        self.close()
        self.damaged = 0
        try:
            with portaudio.opening() as sounddevice:
                self._stream = self._start(sounddevice)
        except portaudio.NoPortAudio as error:
            raise SensorMissing(f"{self.uri}: {error}") from error

    def read(self, timeout_s: float) -> AudioFrame | None:
        """The next block of 512 samples."""
        end_s = now_s() + timeout_s
        while not self._ready:
            try:
                t_s, samples, lost = self._waiting.get(timeout=max(0.0, end_s - now_s()))
            except queue.Empty:
                return None
            if lost:
                self._clock = LiveClock()
            t_s = self._clock.at(self._heard_s, t_s)
            self._heard_s += len(samples) / self._rate
            if self._resampler is None:
                mono = np.clip(samples.mean(axis=1, dtype=np.float32), -1.0, 1.0)
            else:
                mono = self._resampler.feed_array(samples, self._rate)
            self._ready.extend(self._blocks.feed(mono, t_s))
        return self._ready.popleft()

    def close(self) -> None:
        """Close the microphone: the driver stops recording."""
        stream, self._stream = self._stream, None
        if stream is not None:
            try:
                stream.close(ignore_errors=True)
            finally:
                portaudio.closed()
        self._ready.clear()

    def _start(self, sounddevice: Any) -> Any:
        try:
            info = sounddevice.query_devices(self._device, "input")
        except (ValueError, sounddevice.PortAudioError) as error:
            raise SensorMissing(f"{self.uri} is not there; {_microphones(sounddevice)}") from error
        try:
            rate, channels = _format(sounddevice, info)
            self._begin(rate)
            stream = sounddevice.InputStream(
                samplerate=rate,
                blocksize=BLOCK * rate // SAMPLE_RATE,
                device=info["index"],
                channels=channels,
                dtype="float32",
                latency="low",
                callback=self._heard,
            )
            stream.start()
        except sounddevice.PortAudioError as error:
            raise SensorMissing(
                f"{info['name']} cannot be opened ({_words(error)}): end the program that uses it, "
                "or `sudo usermod -aG audio $USER` and log in again"
            ) from error
        return stream

    def _begin(self, rate: int) -> None:
        """Forget what was heard before; sound comes at `rate` Hz."""
        self._rate = rate
        self._resampler: Resampler | None = None
        if rate != SAMPLE_RATE:
            from edge.sensors._resample import Resampler  # FFmpeg is loaded only where it is needed

            self._resampler = Resampler()
        self._blocks = Blocks(self.uri, live=True)
        self._clock, self._heard_s = LiveClock(), 0.0
        self._lost = False
        self._waiting: queue.Queue[_Heard] = queue.Queue(_MOST_WAITING)
        self._ready: deque[AudioFrame] = deque()

    def _heard(self, samples: npt.NDArray[np.float32], count: int, times: Any, status: Any) -> None:
        """PortAudio's own thread: copy and leave."""
        age_s = times.currentTime - times.inputBufferAdcTime  # since the block's first sample was captured
        length_s = count / self._rate
        t_s = now_s() - (age_s if length_s / 2 < age_s < 1 else length_s)  # some back ends leave it 0
        self._lost |= bool(status)
        try:
            self._waiting.put_nowait((t_s, samples.copy(), self._lost))
        except queue.Full:
            self._lost = True
        else:
            self.damaged += self._lost
            self._lost = False


def _format(sounddevice: Any, info: Any) -> tuple[int, int]:
    """Rate in Hz and channels that this device can be opened with: ours where it can."""
    for rate in (SAMPLE_RATE, int(info["default_samplerate"])):
        for channels in (1, min(2, info["max_input_channels"])):
            try:
                sounddevice.check_input_settings(info["index"], channels, "float32", samplerate=rate)
            except sounddevice.PortAudioError:
                continue
            return rate, channels
    return int(info["default_samplerate"]), info["max_input_channels"]  # opening it says what is wrong


def _microphones(sounddevice: Any) -> str:
    found = [f"{one['index']} {one['name']}" for one in sounddevice.query_devices() if one["max_input_channels"]]
    if not found:
        return "this machine has no microphone: plug one in, or give the container /dev/snd"
    return f"there is {', '.join(found)}: name one as mic://NUMBER"


def _words(error: Exception) -> str:
    return str(error).splitlines()[0]
