"""Opens a sensor for a moment, without letting a hung driver hang the doctor."""

from __future__ import annotations

import time

from edge.errors import MienError
from edge.sensors.base import from_text
from edge.sensors.supervise import Supervised
from edge.slots import Slot
from edge.types import AudioFrame, VideoFrame

_FIRST_S = 12.0  # a network camera may need so long to its first picture


def frames(uri: str, seconds: float) -> tuple[list[AudioFrame], list[VideoFrame], str | None]:
    """What the sensor gives in `seconds` from its first frame on, and what was wrong with it."""
    audio: Slot[AudioFrame] = Slot(512)
    video: Slot[VideoFrame] = Slot(64)
    try:
        sensor = Supervised(lambda: from_text(uri), audio=audio, video=video)
    except MienError as error:
        return [], [], str(error)
    sensor.start()
    heard: list[AudioFrame] = []
    seen: list[VideoFrame] = []
    fault: str | None = None
    end_s = time.monotonic() + _FIRST_S
    begun = False
    while time.monotonic() < end_s:
        if sensor.frames and not begun:
            begun, end_s = True, time.monotonic() + seconds
        if sensor.state in {"failing", "stopped"}:
            fault = sensor.reason
            break
        time.sleep(0.02)
    sensor.stop()
    while (block := audio.take(0)) is not None:
        heard.append(block)
    while (picture := video.take(0)) is not None:
        seen.append(picture)
    if not heard and not seen and fault is None:
        fault = f"{sensor.uri} gives nothing: unplug it and plug it in again"
    return heard, seen, fault
