"""`file://PATH`: the sound and picture of one file on one clock; also sound files and still pictures.

Paced, the file plays like a camera and a microphone: a frame is given when its time has come, and `t_s` is the start
on the monotonic clock plus media time. Unpaced, frames come as fast as they are asked for, none is lost, and `t_s`
counts from 0.

A damaged file gives everything that can be decoded. Packets that cannot are skipped and counted in `damaged`. Where
the file ends before the length that its header states, or nothing of it could be decoded, one MediaError follows the
last frame, and EndOfStream after it. (WAV and MPEG state no length: cut off, they are short files.)
"""

from __future__ import annotations

import errno
import heapq
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.stream import Discard

from edge import clock
from edge.errors import MediaError, SensorMissing
from edge.plugin import Uri
from edge.sensors._blocks import Blocks
from edge.sensors._resample import Resampler
from edge.sensors._streams import DecodedFrame, Upright, picture_stream, sound_stream
from edge.sensors.base import EndOfStream
from edge.types import AudioFrame, Frame, VideoFrame

# A file that ends earlier than its header says by more than this has been cut off.
_SHORT_S = 0.5
# Bare streams without a header that states the length: FFmpeg guesses it from the bit rate.
_ESTIMATE_LENGTH = frozenset({"aac", "mp3", "ac3", "eac3", "amr", "h264", "hevc", "m4v", "mpegvideo", "mjpeg"})


def from_uri(uri: Uri, *, paced: bool = True) -> FileSensor:
    """The file that `uri` names. Nothing is opened yet."""
    return FileSensor(uri.path, paced=paced, uri=uri.text)


class FileSensor:
    """One media file. After `open`: `has_audio`, `has_video`, `duration_s` (None where the file does not say)."""

    live = False

    def __init__(self, path: str | Path, *, paced: bool = True, uri: str | None = None) -> None:
        self.path = Path(path).expanduser()
        self.uri = uri or f"file://{path}"
        self.has_audio = False
        self.has_video = False
        self.duration_s: float | None = None
        self.damaged = 0  # packets that could not be decoded, and were skipped
        self._paced = paced
        self._frames: Iterator[Frame] = iter(())
        self._next: Frame | None = None
        self._containers: list[Any] = []
        self._start_s = 0.0
        self._pictures_from_s = float("-inf")  # nobody wants those before
        self._end_s: float | None = None  # media time of the end of what was decoded
        self._fault: str | None = None

    def open(self) -> None:
        """Open the file. Raises SensorMissing (not there, no permission) or MediaError (no sound or picture in it)."""
        self.close()
        self.has_audio = self.has_video = False
        self.duration_s, self.damaged, self._end_s, self._fault = None, 0, None, None
        self._start_s = clock.now_s() if self._paced else 0.0
        _must_be_readable(self.path)
        if _is_still(self.path):
            self.has_video = True
            self._frames = iter([self._still()])
            return
        container = self._container()
        self.has_audio, self.has_video = sound_stream(container) is not None, picture_stream(container) is not None
        if not (self.has_audio or self.has_video):
            raise MediaError(
                f"{self.path} holds no sound or picture of a known kind: give a video, sound or picture file"
            )
        if container.duration is not None:
            self.duration_s = container.duration / av.time_base
        if container.format.name in _ESTIMATE_LENGTH:
            self.duration_s = None
        # Sound and picture are demuxed apart, so that however they lie in the file, no queue between them can grow.
        parts: list[Iterator[Frame]] = []
        if self.has_audio:
            parts.append(self._sound(container))
        if self.has_video:
            parts.append(self._pictures(self._container() if parts else container))
        self._frames = heapq.merge(*parts, key=_due_s)

    def read(self, timeout_s: float) -> Frame | None:
        """The next frame in time order. Raises EndOfStream; before it MediaError, once, where the file is broken."""
        if self._next is None:
            self._next = self._wanted()
        if self._next is None:
            self._finish()
            raise EndOfStream(f"{self.path} ended")
        if self._paced:
            wait_s = _due_s(self._next) - clock.now_s()
            if wait_s > 0:
                time.sleep(min(wait_s, timeout_s))
            if wait_s > timeout_s:
                return None
        frame, self._next = self._next, None
        return frame

    def _wanted(self) -> Frame | None:
        for frame in self._frames:
            self._end_s = max(self._end_s or 0.0, _due_s(frame) - self._start_s)
            if isinstance(frame, AudioFrame) or frame.t_s >= self._pictures_from_s:
                return frame
        return None

    def rest(self, until_s: float) -> None:
        """Leave out pictures before `until_s` where the file plays like a camera."""
        if self._paced:
            self._pictures_from_s = until_s

    def close(self) -> None:
        """Close the file."""
        self._frames, self._next = iter(()), None
        for container in self._containers:
            container.close()
        self._containers = []

    def _finish(self) -> None:
        """Raise the one MediaError of a file that is broken."""
        fault, self._fault = self._fault, None
        if not self._containers:  # a still picture, or closed
            return
        self.close()
        if self._end_s is None:
            raise MediaError(f"nothing of {self.path} could be decoded: {fault or 'every packet is damaged'}")
        if fault is None and self.duration_s and self._end_s < self.duration_s - _SHORT_S:
            fault = f"the header promises {self.duration_s:.1f} s"
        if fault:
            raise MediaError(f"{self.path} breaks off after {self._end_s:.1f} s ({fault}): copy or download it again")

    def _container(self) -> Any:
        try:
            container = av.open(str(self.path), metadata_errors="replace")
        except (av.FFmpegError, ValueError) as error:
            raise MediaError(f"{self.path} cannot be decoded ({_words(error)}): is it a whole media file?") from error
        self._containers.append(container)
        return container

    def _decoded(self, container: Any, stream: Any) -> Iterator[tuple[float | None, Any]]:
        """Decoded frames of one stream with their media time. Skips and counts what cannot be decoded."""
        stream.codec_context.thread_count = 1  # a small board's other cores belong to perception
        for other in container.streams:
            if other is not stream:
                other.discard = Discard.all  # what the other container reads need not be copied here
        zero_s = (container.start_time or 0) / av.time_base
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except av.FFmpegError as error:
                self._fault = _words(error)
                return
            try:
                frames = packet.decode()
            except av.FFmpegError:
                self.damaged += 1
                continue
            for frame in frames:
                if frame.is_corrupt:  # half a picture would be perceived as if it were whole
                    self.damaged += 1
                    continue
                yield (None if frame.time is None else frame.time - zero_s), frame

    def _sound(self, container: Any) -> Iterator[Frame]:
        resampler, blocks = Resampler(), Blocks(self.uri)
        for t_s, frame in self._decoded(container, sound_stream(container)):
            yield from blocks.feed(resampler.feed(frame), self._start_s + (t_s or 0.0))
        yield from blocks.feed(resampler.flush(), self._start_s)
        yield from blocks.flush()

    def _pictures(self, container: Any) -> Iterator[Frame]:
        stream = picture_stream(container)
        turn = Upright(float(stream.sample_aspect_ratio or 1))
        step_s = 1 / float(stream.average_rate or 25)
        t_s = -step_s
        for seq, (stamp_s, picture) in enumerate(self._decoded(container, stream)):
            # A time stamp that is missing, stands still or jumps back is wrong: the frame follows its predecessor.
            t_s = stamp_s if stamp_s is not None and stamp_s > t_s else t_s + step_s
            yield DecodedFrame(self.uri, seq, self._start_s + t_s, picture, turn)

    def _still(self) -> Frame:
        try:
            pixels = cv2.imread(str(self.path), cv2.IMREAD_COLOR)  # honours EXIF orientation
        except cv2.error:  # its header asks for more pixels than OpenCV allows
            pixels = None
        if pixels is None:
            raise MediaError(f"{self.path} cannot be decoded: the picture is damaged; copy or download it again")
        return VideoFrame(self.uri, 0, self._start_s, np.ascontiguousarray(pixels, np.uint8))


def _due_s(frame: Frame) -> float:
    """When a live device could have given this frame: sound only after its last sample."""
    return frame.end_s if isinstance(frame, AudioFrame) else frame.t_s


def _must_be_readable(path: Path) -> None:
    try:
        kind = path.stat().st_mode
        if stat.S_ISDIR(kind):
            raise SensorMissing(f"{path} is a folder: name a file in it")
        if not stat.S_ISREG(kind):  # reading a pipe would take away its first bytes, or block
            raise SensorMissing(f"{path} is a device or pipe, not a file: give a media file")
        path.open("rb").close()
    except FileNotFoundError as error:
        raise SensorMissing(f"{path} is not there: check the path") from error
    except PermissionError as error:
        raise SensorMissing(f"no permission to read {path}: run `chmod +r` on it, or run as its owner") from error
    except OSError as error:
        raise SensorMissing(f"{path} cannot be read: {os.strerror(error.errno or errno.EIO)}") from error


def _is_still(path: Path) -> bool:
    return path.suffix.lower() != ".gif" and cv2.haveImageReader(str(path))


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
