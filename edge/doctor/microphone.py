"""Does each microphone of the settings hear something?"""

from __future__ import annotations

import math

import numpy as np

from edge.config import Config
from edge.doctor._watch import frames
from edge.doctor.base import Finding, of_error

_SILENT_DB, _LOUD = -75.0, 0.99


def check(config: Config) -> list[Finding]:
    """One finding for each microphone."""
    return [_listen(uri) for uri in config.sensors if uri.startswith("mic:")]


def _listen(uri: str) -> Finding:
    heard, _, fault = frames(uri, 1.0)
    if not heard:
        return of_error("microphone", fault or f"{uri} gives nothing: unplug it and plug it in again")
    sound = np.concatenate([one.samples for one in heard])
    rms = float(np.sqrt(np.mean(np.square(sound))))
    level_db = 20 * math.log10(max(rms, 1e-6))
    what = f"{uri} hears {level_db:.0f} dB (full scale is 0)"
    if level_db < _SILENT_DB:
        return Finding("microphone", "warn", f"{what}: nothing", "unmute it (`alsamixer`, F4), or choose another")
    if float(np.mean(np.abs(sound) > _LOUD)) > 0.001:
        return Finding("microphone", "warn", f"{what}: too loud", "turn its gain down (`alsamixer`, F4)")
    return Finding("microphone", "ok", what)
