"""`synthetic://`: a drawn face that follows a script, with a made-up or a given voice. It says what it is: no camera.

Options: `?script=neutral:2,smile-talk:3,closed` (looks: neutral, smile, sad, angry, surprise, closed; the made-up voice
hums vowels in scenes marked `-talk`), `audio=PATH` (this sound instead; the mouth follows it, and its end is the end),
`width=640&height=480&fps=25`. Unpaced, it gives frames as fast as they are asked for, counting time from 0.
"""

from __future__ import annotations

import time

import numpy as np

from edge import clock
from edge.plugin import Uri
from edge.sensors._acting import Actor, Samples, hum_block, loudness, parse
from edge.sensors._face import draw
from edge.sensors.base import BLOCK, EndOfStream, options, positive
from edge.sensors.file import FileSensor
from edge.types import SAMPLE_RATE, AudioFrame, Frame, VideoFrame


def from_uri(uri: Uri, *, paced: bool = True) -> Synthetic:
    """The drawn face that `uri` describes. Raises ConfigError."""
    chosen = options(
        uri, script="neutral:2,neutral-talk:4,smile-talk:4,neutral", audio="", width="640", height="480", fps="25"
    )
    width, height, fps = (positive(uri, key, chosen[key]) for key in ("width", "height", "fps"))
    actor = Actor(parse(chosen["script"]))
    return Synthetic(uri.text, actor, audio=chosen["audio"], width=width, height=height, fps=fps, paced=paced)


class Synthetic:
    """The drawn face as a sensor."""

    live = False
    has_audio = True
    has_video = True
    damaged = 0

    def __init__(
        self,
        uri: str,
        actor: Actor,
        *,
        audio: str = "",
        width: int = 640,
        height: int = 480,
        fps: int = 25,
        paced: bool,
    ) -> None:
        self.uri = uri
        self._actor, self._audio, self._paced = actor, audio, paced
        self._width, self._height, self._fps = width, height, fps
        self._given: Samples | None = None
        self._start_s = 0.0
        self._blocks = self._pictures = 0  # given so far
        self._end_s = actor.seconds

    def open(self) -> None:
        """Start at the script's beginning. Raises SensorMissing or MediaError where `audio` cannot be read."""
        self._given = sound_of(self._audio) if self._audio else None
        self._end_s = self._actor.seconds if self._given is None else len(self._given) / SAMPLE_RATE
        self._blocks = self._pictures = 0
        self._start_s = clock.now_s() if self._paced else 0.0

    def read(self, timeout_s: float) -> Frame | None:
        """The next block or picture, in time order. Raises EndOfStream at the end of the script or the sound."""
        picture_s, heard_s = self._pictures / self._fps, (self._blocks + 1) * BLOCK / SAMPLE_RATE
        due_s = min(picture_s, heard_s)
        if due_s > self._end_s:
            raise EndOfStream(f"{self.uri} is over")
        if self._paced:
            wait_s = self._start_s + due_s - clock.now_s()
            if wait_s > 0:
                time.sleep(min(wait_s, timeout_s))
            if wait_s > timeout_s:
                return None
        if picture_s <= heard_s:
            self._pictures += 1
            return self._picture(picture_s)
        self._blocks += 1
        first = (self._blocks - 1) * BLOCK
        return AudioFrame(self.uri, self._blocks - 1, self._start_s + first / SAMPLE_RATE, self._sound(first, BLOCK))

    def close(self) -> None:
        """Nothing is held."""

    def _picture(self, t_s: float) -> VideoFrame:
        middle = round(t_s * SAMPLE_RATE)
        look = self._actor.look(t_s, loudness(self._sound(max(0, middle - BLOCK), 2 * BLOCK)))
        pixels = draw(look, width=self._width, height=self._height, sway=self._actor.sway(t_s))
        return VideoFrame(self.uri, self._pictures - 1, self._start_s + t_s, pixels)

    def _sound(self, first: int, count: int) -> Samples:
        if self._given is not None:
            return self._given[first : first + count]
        if self._actor.talking(first / SAMPLE_RATE):
            return hum_block(first, count)
        return np.zeros(count, np.float32)


def sound_of(path: str) -> Samples:
    """All the sound of a file, 16 kHz mono. Raises SensorMissing or MediaError."""
    sensor = FileSensor(path, paced=False)
    sensor.open()
    blocks: list[Samples] = [np.zeros(0, np.float32)]
    try:
        while True:
            frame = sensor.read(1.0)
            if isinstance(frame, AudioFrame):
                blocks.append(frame.samples)
    except EndOfStream:
        return np.concatenate(blocks)
    finally:
        sensor.close()
