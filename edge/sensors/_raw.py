"""Raw I420 pictures from another program's pipe: for cameras that only their maker's program can open."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from functools import partial

import cv2
import numpy as np
import numpy.typing as npt

from edge import clock
from edge.errors import SensorMissing
from edge.sensors._lazy import LazyFrame
from edge.types import VideoFrame

_END_S = 1.0  # how long the program may take to end when asked, before it is killed


class RawPipe:
    """A camera program that writes I420 pictures, one after the other, into a pipe.

    `argv` gives the command; unless it writes to its standard output, it is told the number of the descriptor to write
    to. `full_range`: Y, U and V use 0–255 (JPEG) rather than 16–235 (video). Each picture is `height` lines of `stride`
    bytes of Y, then half as many lines of `stride / 2` bytes of U, then of V; the first `width` of each line count.
    """

    live = True
    has_audio = False
    has_video = True

    def __init__(
        self,
        uri: str,
        program: str,
        argv: Callable[[int], Sequence[str]],
        *,
        to_stdout: bool,
        full_range: bool,
        width: int,
        height: int,
        stride: int,
        mend: str,
    ) -> None:
        self.uri = uri
        self.damaged = 0
        self._program, self._argv, self._mend = program, argv, mend
        self._to_stdout, self._full_range = to_stdout, full_range
        self._width, self._height, self._stride = width, height, stride
        self._buffer = self._empty()
        self._filled = 0
        self._seq = 0
        self._pictures_from_s = float("-inf")  # nobody wants those before
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe = -1
        self._says = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the sensor; a pipe would fill and block

    def open(self) -> None:
        """Start the program. Raises SensorMissing where it is not installed."""
        self.close()
        if shutil.which(self._program) is None:
            raise SensorMissing(f"{self.uri} needs {self._program}: {self._mend}")
        self._pipe, write_end = os.pipe()
        try:
            self._says.seek(0)
            self._says.truncate()
            self._process = subprocess.Popen(
                self._argv(write_end),
                stdin=subprocess.DEVNULL,
                stdout=write_end if self._to_stdout else self._says,
                stderr=self._says,
                pass_fds=() if self._to_stdout else (write_end,),
            )
        except OSError as error:
            raise SensorMissing(f"{self._program} cannot be started ({error.strerror}): {self._mend}") from error
        finally:
            os.close(write_end)
        os.set_blocking(self._pipe, False)
        with contextlib.suppress(OSError, AttributeError):  # a pipe holds 64 kB: each picture would wake us many times
            fcntl.fcntl(self._pipe, fcntl.F_SETPIPE_SZ, len(self._buffer))
        self._filled = self._seq = self.damaged = 0

    def read(self, timeout_s: float) -> VideoFrame | None:
        """The next whole picture. Raises SensorMissing, with the program's last words, when it ended."""
        end_s = clock.now_s() + timeout_s
        view = memoryview(self._buffer)  # type: ignore[arg-type]  # an array is a buffer
        while self._filled < len(self._buffer):
            ready, _, _ = select.select([self._pipe], [], [], max(0.0, end_s - clock.now_s()))
            if not ready:
                return None
            got = os.readv(self._pipe, [view[self._filled :]])
            if got == 0:
                self.damaged += self._filled > 0
                raise SensorMissing(f"{self._program} ended: {self._last_words()}; {self._mend}")
            self._filled += got
            if self._filled == len(self._buffer):
                t_s = clock.now_s()
                self._seq += 1
                if t_s < self._pictures_from_s:
                    self._filled = 0  # the next one takes its place
        self._filled = 0
        whole, self._buffer = self._buffer, self._empty()
        luma = whole[: self._stride * self._height].reshape(self._height, self._stride)[:, : self._width]
        return LazyFrame(self.uri, self._seq - 1, t_s, partial(self._bgr, whole), lambda: luma)

    def rest(self, until_s: float) -> None:
        """Leave out pictures before `until_s`: they are taken from the pipe, which must not fill, and forgotten."""
        self._pictures_from_s = until_s

    def close(self) -> None:
        """End the program; one that does not end is killed."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_END_S)
            process.kill()
            process.wait()
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1

    def _empty(self) -> npt.NDArray[np.uint8]:
        return np.empty(self._stride * self._height * 3 // 2, np.uint8)

    def _bgr(self, whole: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        if not self._full_range:
            bgr = cv2.cvtColor(whole.reshape(-1, self._stride), cv2.COLOR_YUV2BGR_I420)
            return np.ascontiguousarray(bgr[:, : self._width], np.uint8)
        size, half = self._stride * self._height, (self._stride // 2, self._height // 2)
        luma = whole[:size].reshape(self._height, self._stride)
        u, v = whole[size:].reshape(2, half[1], half[0])
        cr, cb = (cv2.resize(one, (self._stride, self._height)) for one in (v, u))
        bgr = cv2.cvtColor(cv2.merge([luma, cr, cb]), cv2.COLOR_YCrCb2BGR)
        return np.ascontiguousarray(bgr[:, : self._width], np.uint8)

    def _last_words(self) -> str:
        assert self._process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_S)
        self._says.seek(max(0, self._says.seek(0, os.SEEK_END) - 2000))
        lines = [line for line in self._says.read().decode(errors="replace").splitlines() if line.strip()]
        return lines[-1].strip() if lines else f"exit status {self._process.returncode}, without a word"
