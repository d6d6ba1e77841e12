"""Takes the device's own voice out of what its microphone hears, so that a person can be heard interrupting it.

WebRTC's echo canceller (AEC3), from the package `livekit`, with the sound that is being played as its reference. It
finds the room's delay by itself as long as the reference comes before its echo; it needs about a second of playback
to learn the room, and keeps what it learned from one reply to the next.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections import deque
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.errors import PluginError
from edge.perceive.speech import GAP_S
from edge.types import SAMPLE_RATE, AudioFrame

Sound = npt.NDArray[np.float32]

_BLOCK = SAMPLE_RATE // 100  # the canceller works on 10 ms
_AHEAD_S = 0.06  # the reference is given early: a speaker's clock is known roughly, and a late one is of no use
_TAIL_S = 1.0  # a room's echo lasts no longer
_LAST_CALLS_S = 0.05
_DELAY = 126  # samples by which the canceller's filters delay what they let through (measured)

# The library tells its log by calling Python from a thread of its own, even while it ends. A call that meets a Python
# which is ending, too, aborts the process. Registered before the library's own end, this comes after it: calls return.
atexit.register(time.sleep, _LAST_CALLS_S)


class EchoCanceller:
    """One microphone and one speaker. `playing` may be called from another thread than `clean`.

    Raises PluginError where the package is not installed.
    """

    def __init__(self) -> None:
        try:
            from livekit.rtc import AudioFrame as Block
            from livekit.rtc.apm import AudioProcessingModule
        except ImportError as error:
            raise PluginError("echo cancellation needs livekit: pip install 'mien[echo]'") from error
        self._new_block = Block
        self._canceller = AudioProcessingModule(echo_cancellation=True)
        self._lock = threading.Lock()
        self._played: deque[tuple[float, Sound]] = deque()
        self._carry = np.zeros(0, dtype=np.float32)
        self._next_s = 0.0

    def playing(self, samples: Sound, t_s: float) -> None:
        """Tell what the speaker plays: float32, shape (n,), mono, 16 kHz, its first sample heard at `t_s` (monotonic).

        To be called before that sound reaches the microphone, in order of time.
        """
        with self._lock:
            self._played.append((t_s, samples.astype(np.float32, copy=False)))

    def stopped(self, t_s: float) -> None:
        """The speaker fell silent at `t_s`: what was to be played after it was not."""
        with self._lock:
            self._played = deque(
                (start_s, samples[: round((t_s - start_s) * SAMPLE_RATE)])
                for start_s, samples in self._played
                if start_s < t_s
            )

    def clean(self, frame: AudioFrame) -> AudioFrame:
        """`frame` without the echo of what was played; the same frame where nothing was played lately.

        The result may be some milliseconds shorter or longer, for the canceller works on 10 ms at a time; its time
        tells when its sound was captured.
        """
        if abs(frame.t_s - self._next_s) > GAP_S:
            self._carry = self._carry[:0]
        self._next_s = frame.end_s
        with self._lock:
            while self._played and _end_s(self._played[0]) < frame.t_s - _TAIL_S:
                self._played.popleft()
            played = [one for one in self._played if one[0] < frame.end_s + _AHEAD_S]
        if not played:
            self._carry = self._carry[:0]
            return frame
        start_s = frame.t_s - self._carry.size / SAMPLE_RATE
        heard = np.concatenate((self._carry, frame.samples))
        whole = heard.size // _BLOCK * _BLOCK
        self._carry = heard[whole:]
        reference = _cut(played, start_s + _AHEAD_S, whole)
        cleaned = np.empty(whole, dtype=np.float32)
        for at in range(0, whole, _BLOCK):
            self._canceller.process_reverse_stream(self._block(reference[at : at + _BLOCK]))
            block = self._block(heard[at : at + _BLOCK])
            self._canceller.process_stream(block)
            cleaned[at : at + _BLOCK] = np.frombuffer(block.data, dtype=np.int16) / np.float32(32_768)
        return AudioFrame(frame.source, frame.seq, start_s - _DELAY / SAMPLE_RATE, cleaned)

    def _block(self, samples: Sound) -> Any:
        pcm = (np.clip(samples, -1, 1) * 32_767).astype(np.int16)
        return self._new_block(bytearray(pcm.tobytes()), SAMPLE_RATE, 1, _BLOCK)


def _end_s(played: tuple[float, Sound]) -> float:
    return played[0] + played[1].size / SAMPLE_RATE


def _cut(played: list[tuple[float, Sound]], start_s: float, count: int) -> Sound:
    """What was played in `count` samples from `start_s` on; silence where nothing was."""
    out = np.zeros(count, dtype=np.float32)
    for at_s, samples in played:
        first = round((at_s - start_s) * SAMPLE_RATE)
        here = samples[max(0, -first) : max(0, count - first)]
        begin = max(0, first)
        out[begin : begin + here.size] = here
    return out
