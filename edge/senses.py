"""What a device perceives with: its sensors, and hearing and sight, a thread each.

sensors ─▶ Slot ─▶ hearing, sight ─▶ Slot ─▶ whoever takes
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from edge import plugin
from edge.config import Config
from edge.ears import Cleaned, Ears
from edge.governor import Governor, Step
from edge.perceive.hearing import Hearing
from edge.perceive.sight import Sight
from edge.policy import Policy
from edge.sensors.supervise import SensorHealth, Supervised
from edge.slots import Slot
from edge.types import AudioFrame, Observation, VideoFrame
from edge.worker import Worker
from models.session import give_back_pages

_AUDIO_BLOCKS = 64  # two seconds: sound that waits longer is no use to a conversation; then half of it goes at once
_FOUND = 512
_LOAD_S = 30.0
_JOIN_S = 5.0


class Senses:
    """Perceives from `open` to `shut` what `policy` allows. `speaking`: whether the device itself speaks now; `submit`
    runs what must not hold up the sound; `on_state` is called on each change of a sensor's state, on any thread.

    Raises ConfigError or PluginError where a sensor cannot be had.
    """

    def __init__(
        self,
        config: Config,
        policy: Policy,
        *,
        speaking: Callable[[], bool],
        submit: Callable[..., Any],
        on_state: Callable[[], None],
    ) -> None:
        self._config, self._policy, self._speaking, self._on_state = config, policy, speaking, on_state
        self.audio: Slot[AudioFrame] = Slot(_AUDIO_BLOCKS, together=_AUDIO_BLOCKS // 2)
        self.video: Slot[VideoFrame] = Slot(1)
        self.found: Slot[Sequence[Observation]] = Slot(_FOUND)
        self.sensors = [self._supervised(uri) for uri in config.sensors]
        self.ears = Ears(
            config.perceive,
            live=any(sensor.live for sensor in self.sensors),
            hears_itself=self.hears_itself and bool(config.link.bridges),
            submit=submit,
        )
        self.hearing = Worker("hearing", self._make_hearing, self.audio, self.found, tune=self._tune_hearing)
        self.sight = Worker("sight", self._make_sight, self.video, self.found, tune=self._tune_sight, rest=_rest_sight)
        self._governor = Governor(config.memory_mb)

    def load(self) -> None:
        """Make hearing and sight; returns when they are ready, or failed: a clip must not play to models that load."""
        for worker in (self.hearing, self.sight):
            worker.start()
        for worker in (self.sight, self.hearing):
            worker.ready.wait(_LOAD_S)
            give_back_pages()

    def open(self) -> None:
        """Let the sensors begin."""
        for sensor in self.sensors:
            sensor.start()

    def take(self, timeout_s: float) -> Sequence[Observation] | None:
        """What was observed next; None: nothing within `timeout_s`."""
        return self.found.take(timeout_s)

    @property
    def over(self) -> bool:
        """Whether every input came to its end."""
        return all(sensor.state == "stopped" for sensor in self.sensors)

    def flush(self) -> list[Observation] | None:
        """Once it is `over`: what hearing still held; None while what came before the end is still looked at."""
        self.audio.close()
        self.video.close()
        if not (self.hearing.join(0.0) and self.sight.join(0.0)):
            return None
        if len(self.found):  # put after the last `take`, before the thread ended: the end of the last turn, by chance
            return None
        hearing = self.hearing.detector
        return hearing.finish() if isinstance(hearing, Hearing | Cleaned) else []

    def shut(self) -> None:
        """Close the sensors."""
        for sensor in self.sensors:
            sensor.stop()

    def close(self) -> None:
        """End hearing and sight."""
        for slot in (self.audio, self.video, self.found):
            slot.close()
        for worker in (self.hearing, self.sight):
            worker.join(_JOIN_S)

    def mute(self, *, muted: bool) -> None:
        """Close the live sensors, or let them be opened again."""
        for sensor in self.sensors:
            if sensor.live:
                (sensor.mute if muted else sensor.unmute)()

    def halt(self) -> None:
        """Nothing may be perceived any more: close the live sensors, and end the recordings."""
        self.mute(muted=True)
        for sensor in self.sensors:
            if not sensor.live:
                sensor.stop()

    def spare(self, now_s: float, *, rss_mb: float | None, temperature_c: float | None) -> Step:
        """Where time, memory or heat runs short, do less; the step that holds now. To be called each second."""
        late_s = max(self.hearing.latency.take_recent_s(), self.sight.latency.take_recent_s())
        return self._governor.update(now_s, late_s=late_s, rss_mb=rss_mb, temperature_c=temperature_c)

    @property
    def hears_itself(self) -> bool:
        """Whether a microphone hears what the device says."""
        live = any(sensor.live and sensor.has_audio for sensor in self.sensors)
        return live and any(output.startswith("speaker") for output in self._config.outputs)

    def broken(self) -> list[SensorHealth]:
        """The inputs that ended by a fault; the plain end of a recording is none."""
        return [one.health() for one in self.sensors if one.state == "stopped" and one.reason is not None]

    def failing(self) -> dict[str, str]:
        """What gives nothing now, or was left out, and why."""
        failing = {one.uri: one.reason or one.state for one in self.sensors if one.state == "failing"}
        failing |= {one.name: one.failing for one in (self.hearing, self.sight) if one.failing}
        return failing | self.ears.left_out

    def dropped(self) -> dict[str, int]:
        """What came faster than it could be perceived or considered, or while nothing could perceive it."""
        return {
            "audio": self.audio.dropped + self.hearing.dropped,
            "video": self.video.dropped + self.sight.dropped,
            "observations": self.found.dropped,
        }

    def holes(self) -> dict[str, int]:
        """What did not come as it should: holes in the sound, of whatever cause, and what sensors gave broken."""
        return {"sound_gaps": self.ears.gaps, "damaged": sum(sensor.damaged for sensor in self.sensors)}

    def _supervised(self, text: str) -> Supervised:
        uri = plugin.Uri.parse(text)
        make = plugin.load("edge.sensors", uri.scheme).from_uri
        return Supervised(
            lambda: make(uri), audio=self.audio, video=self.video, on_state=lambda _sensor: self._on_state()
        )

    def _make_hearing(self) -> Hearing | Cleaned:
        return self.ears.make(affect=self._policy.affect, words=self._policy.words)

    def _make_sight(self) -> Sight:
        return Sight(affect=self._policy.affect, max_people=self._config.perceive.max_people)

    def _tune_hearing(self, hearing: Any) -> None:
        hearing.device_speaking(self._speaking())
        hearing.feelings_wanted(self._policy.affect)
        hearing.words_wanted(self._governor.step.words and self._policy.words)

    def _tune_sight(self, sight: Any) -> None:
        step = self._governor.step
        sight.set_rate(frame_hz=step.frame_hz, expression_hz=step.expression_hz, on=step.sight)
        sight.feelings_wanted(self._policy.affect)


def _rest_sight(sight: Any) -> float:
    seconds: float = sight.rest_s
    return seconds
