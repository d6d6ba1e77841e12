"""Network cameras: sound and picture of a live stream, by FFmpeg, with time-outs."""

from __future__ import annotations

from collections import deque
from typing import Any

import av

from edge import clock
from edge.errors import MediaError, SensorMissing
from edge.sensors._blocks import Blocks
from edge.sensors._liveclock import LiveClock
from edge.sensors._resample import Resampler
from edge.sensors._streams import DecodedFrame, Upright, picture_stream, sound_stream
from edge.sensors.base import without_password
from edge.types import Frame

_OPEN_S = 8.0
_READ_S = 2.5  # shorter than the watcher's deadline, so that a silent camera is told as what it is

# Low latency: no reordering queue, and only a short look at the stream before it plays.
_LIVE = {"fflags": "nobuffer", "flags": "low_delay", "analyzeduration": "1000000"}

# MJPEG carries no time stamps: FFmpeg makes them up at 25 a second.
_STAMPLESS = frozenset({"mpjpeg", "mjpeg"})


class NetworkCamera:
    """A live stream. `format_name`: FFmpeg's name of the container where it cannot tell by itself."""

    live = True

    def __init__(self, uri: str, *, settings: dict[str, str], format_name: str | None = None) -> None:
        self.uri = without_password(uri)
        self.has_audio = False
        self.has_video = True  # known for certain once it is open
        self.damaged = 0
        self._address, self._settings, self._format = uri, settings, format_name
        self._container: Any = None
        self._ready: deque[Frame] = deque()
        self._pictures_from_s = float("-inf")  # nobody wants those before

    def open(self) -> None:
        """Connect. Raises SensorMissing (unreachable, refused) or MediaError (reached, but no stream)."""
        self.close()
        self.damaged = 0
        try:
            container = av.open(
                self._address,
                format=self._format,
                options=_LIVE | self._settings,
                timeout=(_OPEN_S, _READ_S),
                metadata_errors="replace",
            )
        except (av.InvalidDataError, ValueError) as error:
            raise MediaError(
                f"{self.uri} answers, but not with a stream that can be decoded: check its path"
            ) from error
        except (av.FFmpegError, OSError) as error:
            raise SensorMissing(
                f"{self.uri} cannot be reached ({_words(error)}): {_mend(error)}"
            ) from None  # its text holds the password
        self._container = container
        self._picture = picture_stream(container)
        self._sound = sound_stream(container)
        self.has_audio, self.has_video = self._sound is not None, self._picture is not None
        streams = [one for one in (self._sound, self._picture) if one is not None]
        if not streams:
            raise MediaError(f"{self.uri} holds no sound or picture of a known kind: check its path")
        for one in streams:
            one.codec_context.thread_count = 1  # frame threads would add their number in frames of delay
        self._packets = container.demux(*streams)
        self._resampler, self._blocks = Resampler(), Blocks(self.uri, live=True)
        self._stampless = container.format.name in _STAMPLESS
        self._clock = LiveClock()
        self._seq = 0
        self._turn: Upright | None = None

    def read(self, timeout_s: float) -> Frame | None:
        """The next frame. Blocks up to 2.5 s; a stream that is silent for longer raises SensorMissing."""
        end_s = clock.now_s() + timeout_s
        while not self._ready:
            try:
                packet = next(self._packets)
            except StopIteration:
                raise SensorMissing(f"{self.uri} ended its stream: is the camera on?") from None
            except av.FFmpegError as error:
                # FFmpeg's word for "your time-out interrupted me" is ExitError.
                what = "fell silent" if isinstance(error, av.ExitError) else f"broke off ({_words(error)})"
                raise SensorMissing(f"{self.uri} {what}: is the camera on?") from None
            if not self._unwanted(packet):
                self._decode(packet)
            if not self._ready and clock.now_s() >= end_s:
                return None
        return self._ready.popleft()

    def rest(self, until_s: float) -> None:
        """Leave out pictures before `until_s`; those that no other builds upon (MJPEG) are not decoded either."""
        self._pictures_from_s = until_s

    def close(self) -> None:
        """Disconnect."""
        self._ready.clear()
        if self._container is not None:
            self._container.close()
            self._container = None

    def _unwanted(self, packet: Any) -> bool:
        alone = packet.stream is self._picture and packet.stream.codec_context.codec.intra_only
        return bool(alone) and clock.now_s() < self._pictures_from_s

    def _decode(self, packet: Any) -> None:
        try:
            decoded = packet.decode()
        except av.FFmpegError:
            self.damaged += 1
            return
        for one in decoded:
            if one.is_corrupt:
                self.damaged += 1
            else:
                self._take(one)

    def _take(self, one: Any) -> None:
        now_s = clock.now_s()
        t_s = now_s if one.time is None or self._stampless else self._clock.at(one.time, now_s)
        if isinstance(one, av.AudioFrame):
            self._ready.extend(self._blocks.feed(self._resampler.feed(one), t_s))
        elif t_s >= self._pictures_from_s:
            if self._turn is None:  # the aspect is known with the first picture
                self._turn = Upright(float(self._picture.sample_aspect_ratio or 1))
            self._ready.append(DecodedFrame(self.uri, self._seq, t_s, one, self._turn))
            self._seq += 1


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _mend(error: Exception) -> str:
    words = _words(error).lower()
    if any(sign in words for sign in ("401", "403", "unauthorized", "forbidden")):
        return "give user and password, as in scheme://user:password@host/…"
    if "404" in words or "not found" in words:
        return "check the path after the host"
    return "check its address, and that it is on and in this network"
