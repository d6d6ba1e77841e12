"""`alert`: a chime on the device's own speaker, without any network."""

from __future__ import annotations

import time

import numpy as np

from edge import plugin
from edge.errors import OutputError
from edge.tools.base import Place

RATE = 16_000
_TONES_HZ = (880.0, 660.0, 880.0)
_TONE_S, _PEAK = 0.22, 0.5


def call(place: Place, *, message: str, **figures: float) -> None:
    """Chime on every speaker of the settings; `message` and `figures` stand in the event, for screens.

    Raises OutputError where no speaker could be used.
    """
    reached, reason = False, "the settings name no speaker"  # no word of the message: a rule may put a feeling there
    sound = chime()
    for text in place.outputs:
        name, _, target = text.partition(":")
        if name != "speaker":
            continue
        output = plugin.load("edge.outputs", name).create(target)
        try:
            output.open()
            output.play(sound, RATE)
            time.sleep(len(sound) / 2 / RATE + 0.3)  # a device that is let go plays nothing more
            reached = True
        except OutputError as error:
            reason = str(error)
        finally:
            output.close()
    if not reached:
        raise OutputError(f"the alert was not heard: {reason}")


def chime() -> bytes:
    """Three short tones: 16-bit little-endian mono at RATE."""
    t = np.arange(round(_TONE_S * RATE)) / RATE
    fade = np.minimum(1.0, np.minimum(t, _TONE_S - t) / 0.02)
    tones = np.concatenate([np.sin(2 * np.pi * hz * t) * fade for hz in _TONES_HZ])
    return (tones * _PEAK * 32767).astype("<i2").tobytes()
