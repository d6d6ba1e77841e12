"""What the drawn face does over time: a script of looks, blinks, a mouth that follows the sound, a made-up voice."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from edge.errors import ConfigError
from edge.sensors._face import LOOKS, Look
from edge.types import SAMPLE_RATE

Samples = npt.NDArray[np.float32]

_BLINK_EVERY_S, _BLINK_S = 3.7, 0.16
_CHANGE_S = 0.3  # how long a change of look takes
_MOUTH_FULL = 0.12  # RMS of the sound at which the mouth is wide open


@dataclass(frozen=True, slots=True)
class Scene:
    """One look for a time; `talk`: with the made-up voice."""

    look: Look
    seconds: float
    talk: bool


def parse(script: str) -> list[Scene]:
    """Scenes of a script such as `neutral:2,smile-talk:3,closed`; a last one without a time never ends.

    Raises ConfigError, naming the looks there are.
    """
    scenes = []
    parts = script.split(",")
    for index, part in enumerate(parts):
        name, colon, seconds = part.strip().partition(":")
        look, dash, talk = name.partition("-")
        if look not in LOOKS or (dash and talk != "talk"):
            raise ConfigError(f"script '{script}': '{name}' is not LOOK or LOOK-talk, LOOK being {', '.join(LOOKS)}")
        try:
            length_s = float(seconds) if colon else float("inf")
        except ValueError:
            length_s = 0.0
        if not length_s > 0 or (not colon and index < len(parts) - 1):
            raise ConfigError(f"script '{script}': '{part}' needs a time in seconds, as in {look}:2.5")
        scenes.append(Scene(LOOKS[look], length_s, bool(dash)))
    return scenes


class Actor:
    """Plays `scenes`. Everything is a function of time: the same every time it is played."""

    def __init__(self, scenes: list[Scene]) -> None:
        self._scenes = scenes
        self._begins = np.cumsum([0.0, *(one.seconds for one in scenes)])

    @property
    def seconds(self) -> float:
        """Length of the script; infinite where its last scene has no end."""
        return float(self._begins[-1])

    def talking(self, t_s: float) -> bool:
        """Whether the script has the made-up voice talk at `t_s`."""
        return self._scenes[self._index(t_s)].talk

    def look(self, t_s: float, loudness: float) -> Look:
        """The look at `t_s`, with its mouth opened by `loudness` (RMS of the sound there)."""
        index = self._index(t_s)
        look = self._scenes[index].look
        since_s = t_s - self._begins[index]
        if index and since_s < _CHANGE_S:
            look = self._scenes[index - 1].look.towards(look, since_s / _CHANGE_S)
        blink = max(0.0, 1 - abs((t_s + 1) % _BLINK_EVERY_S - _BLINK_S / 2) / (_BLINK_S / 2))
        opened = max(look.mouth, 0.8 * min(1.0, loudness / _MOUTH_FULL))
        return replace(look, eyes=look.eyes * (1 - blink), mouth=opened)

    @staticmethod
    def sway(t_s: float) -> tuple[float, float, float]:
        """The head's slow movement at `t_s`: right, down (head heights), tilt (degrees)."""
        return 0.012 * np.sin(0.9 * t_s), 0.008 * np.sin(1.3 * t_s + 1), 1.5 * np.sin(0.7 * t_s + 2)

    def _index(self, t_s: float) -> int:
        return int(np.clip(np.searchsorted(self._begins, t_s, side="right") - 1, 0, len(self._scenes) - 1))


def hum(t_s: npt.NDArray[np.float64]) -> Samples:
    """The made-up voice at the times `t_s` (n,): vowels in syllables, four a second; no words, and no one's voice."""
    pitch = 2 * np.pi * (125 * t_s - 3.2 * np.cos(2 * np.pi * 0.8 * t_s))  # an f0 of 125 ± 16 Hz
    opening = 0.5 - 0.5 * np.cos(2 * np.pi * 3.9 * t_s)
    first, second = 350 + 400 * opening, 1100 + 900 * (0.5 + 0.5 * np.sin(2 * np.pi * 1.3 * t_s))
    sound = np.zeros_like(t_s)
    for harmonic in range(1, 28):
        hz = 125.0 * harmonic
        strength = np.exp(-(((hz - first) / 130) ** 2)) + 0.5 * np.exp(-(((hz - second) / 180) ** 2))
        strength += 0.2 * np.exp(-(((hz - 2700) / 250) ** 2)) + 0.02
        sound += strength / harmonic**0.4 * np.sin(harmonic * pitch)
    voiced = np.clip(1.6 * opening - 0.1, 0, 1)
    return np.asarray(0.18 * sound * voiced, np.float32)


def hum_block(start: int, count: int) -> Samples:
    """Samples `start` … `start + count` of the made-up voice."""
    return hum(np.arange(start, start + count) / SAMPLE_RATE)


def loudness(samples: Samples) -> float:
    """RMS of a stretch of sound; 0 for none."""
    return float(np.sqrt(np.mean(np.square(samples)))) if len(samples) else 0.0
