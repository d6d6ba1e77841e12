"""Does each camera of the settings give pictures that a face can be seen in?"""

from __future__ import annotations

from edge.config import Config
from edge.doctor._watch import frames
from edge.doctor.base import Finding, of_error
from edge.sensors.base import without_password
from edge.types import VideoFrame

_ALSO = "name a camera, too, if faces are to be seen"
_DARK, _FLAT = 25.0, 4.0  # grey levels of 255: mean, and standard deviation


def check(config: Config) -> list[Finding]:
    """One finding for each source of pictures."""
    return [_look(uri) for uri in config.sensors if not uri.startswith("mic:")]


def _look(uri: str) -> Finding:
    heard, seen, fault = frames(uri, 1.0)
    name = without_password(uri)
    if fault is not None and not seen and not heard:
        return of_error("camera", fault)
    if not seen:
        return Finding("camera", "warn", f"{name} gives sound but no pictures", _ALSO)
    height, width = seen[-1].pixels.shape[:2]
    what = f"{name}: {width}×{height}{_rate(seen)}"
    mean, spread = float(seen[-1].pixels.mean()), float(seen[-1].pixels.std())
    if spread < _FLAT:
        return Finding("camera", "warn", f"{what}, but every pixel is the same", "take the cover off the lens")
    if mean < _DARK:
        return Finding("camera", "warn", f"{what}, but it is dark", "switch on a light")
    return Finding("camera", "ok", what)


def _rate(seen: list[VideoFrame]) -> str:
    span_s = seen[-1].t_s - seen[0].t_s
    return f", {(len(seen) - 1) / span_s:.0f} pictures a second" if span_s > 0 else ""
