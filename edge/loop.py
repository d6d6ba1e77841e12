"""The main path of a device, from frames to envelopes, readable top to bottom.

sensors ─▶ Slot ─▶ hearing, sight (a thread each) ─▶ Slot ─▶ path (this thread) ─▶ forward ─▶ outbox ─▶ uplink
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from edge import clock, events, health, path, plugin, watchdog
from edge.answer import Answer
from edge.config import Config
from edge.consent import Consent
from edge.ears import Cleaned, Ears
from edge.errors import ConfigError
from edge.forward import Forwarder
from edge.governor import Governor, Step
from edge.health import Health
from edge.moment import Moment
from edge.orders import Orders
from edge.perceive.hearing import Hearing
from edge.perceive.sight import Sight
from edge.policy import Policy
from edge.reference import Reference
from edge.rules import Rules
from edge.sensors.supervise import SensorHealth, Supervised
from edge.slots import Slot
from edge.summary import Summary
from edge.tools.base import Place, Toolbox
from edge.types import AudioFrame, Observation, SpeechActivity, VideoFrame
from edge.wire import mien_pb2
from edge.wire.envelope import Sealer
from edge.worker import Worker
from models.session import give_back_pages

_AUDIO_BLOCKS = 64  # two seconds: sound that waits longer is no use to a conversation
_FOUND = 512
_TICK_S = 0.1
_STEP_S = 0.05  # the longest that sound which changes nothing waits for a picture's observations
_LEARN_S = 0.7  # the echo canceller leaks while it learns the room at the start of a reply
_TELL_S = 0.1  # the event stream tells states ten times a second, and whenever something happens
_HEALTH_S = 1.0


class Loop:
    """One device at work. Make it, then `run()` on a thread of your own; `stop()` from any other.

    `listen` gets every line of the local event stream (see edge.events), on whichever thread it arose: a reply's come
    from the link's; `watch` every moment, on the loop's thread. Both must be quick. `out`: a folder where the reply's
    sound is kept. Recordings play in real time here; `edge.offline` reads them as fast as it can. Raises ConfigError,
    PluginError, PolicyError or OutboxError.
    """

    def __init__(
        self,
        config: Config,
        *,
        listen: Callable[[str], None] = lambda _line: None,
        watch: Callable[[Moment], None] = lambda _moment: None,
        out: Path | None = None,
        describe_every_s: float | None = None,
    ) -> None:
        self._config = config
        self._listen = listen
        self._watch = watch
        self._stop = threading.Event()
        self._policy = Policy.from_config(config.purpose)
        self._governor = Governor(config.memory_mb)
        self._audio: Slot[AudioFrame] = Slot(_AUDIO_BLOCKS)
        self._video: Slot[VideoFrame] = Slot(1)
        self._found: Slot[Sequence[Observation]] = Slot(_FOUND)
        self._sensors = [self._supervised(uri) for uri in config.sensors]
        self._rules = Rules.load(config.rules)
        self._toolbox = Toolbox(Place(config.outputs))
        self._rules.tools |= self._toolbox.tools()
        self._path = path.Path(
            policy=self._policy,
            rules=self._rules,
            language=config.perceive.language,
            describe_every_s=describe_every_s,
        )
        self._told_s = 0.0
        self._speaks_since_s: float | None = None
        self._speech_goes_on = False
        self._slow = ThreadPoolExecutor(1, "words")  # judging a pause must not hold up the sound that follows it
        self._sealer = Sealer(config.device)
        self._ears = Ears(
            config.perceive,
            live=any(sensor.live for sensor in self._sensors),
            hears_itself=self._hears_itself and bool(config.link.bridges),
            submit=self._slow.submit,
        )
        self._answer = Answer(
            config,
            self._sealer,
            self._say,
            out=out,
            on_command=self._command,
            players=[Reference(self._ears.canceller)] if self._ears.canceller else [],
        )
        self._policy.on_stop.append(lambda: self._mute(muted=True))
        self._consent = Consent(config.consent_record())
        self._consent.heed(self._policy)
        self._forward = Forwarder(
            self._sealer,
            self._answer.put,
            state_every_s=config.link.state_every_s,
            forward_words=config.purpose.forward_words,
            keep_words=config.purpose.keep_words,
            language=config.perceive.language,
        )
        self._orders = Orders(
            self._forward.order, policy=self._policy, rules=self._rules, mute=self._mute, submit=self._slow.submit
        )
        self._hearing = Worker("hearing", self._make_hearing, self._audio, self._found, tune=self._tune_hearing)
        self._sight = Worker(
            "sight", self._make_sight, self._video, self._found, tune=self._tune_sight, rest=_rest_sight
        )
        self.summary = Summary()

    def run(self) -> Summary:
        """Work until `stop()` or the end of every input; then answer what is open, and close everything."""
        try:
            self._policy.disclose(lambda notice: self._say("notice", {"text": notice, "reason": self._policy.reason}))
            for start in (self._answer.start, self._hearing.start, self._sight.start):
                start()
            for worker in (self._sight, self._hearing):  # a clip must not play to models that still load
                worker.ready.wait(30.0)
                give_back_pages()
            self.summary.ready()
            if self._policy.mode != "off":
                for sensor in self._sensors:
                    sensor.start()
            watchdog.notify("READY=1")
            self._work()
        finally:
            self._close()
        return self.summary

    def stop(self) -> None:
        """End the run soon; may be called from a signal handler."""
        self._stop.set()

    def broken(self) -> list[SensorHealth]:
        """The inputs that ended by a fault; the plain end of a recording is none."""
        return [one.health() for one in self._sensors if one.state == "stopped" and one.reason is not None]

    # ------------------------------------------------------------ the main path

    def _work(self) -> None:
        health_due_s = stepped_s = clock.now_s()
        held: list[Observation] = []  # what says nothing new waits for what does
        while not self._stop.is_set():
            batch = self._found.take(_STEP_S if held else _TICK_S)
            self._consent.heed(self._policy)
            now_s = clock.now_s()
            held += batch or ()
            urgent = batch is not None and not self._goes_on(batch)
            if urgent or now_s - stepped_s >= (_STEP_S if held else _TICK_S):  # time passes in an empty room, too
                stepped_s, now, held = now_s, held, []
                self._consider(now)
            if now_s >= health_due_s:
                health_due_s = now_s + _HEALTH_S
                self._look_after(now_s)
            if batch is None and all(sensor.state == "stopped" for sensor in self._sensors) and self._drained():
                break

    def _goes_on(self, batch: Sequence[Observation]) -> bool:
        """Whether `batch` tells only that speech or silence lasts, and the device itself is not to be interrupted."""
        speaking = [one.speaking for one in batch if isinstance(one, SpeechActivity)]
        goes_on = len(speaking) == len(batch) and set(speaking) <= {self._speech_goes_on}
        if speaking:
            self._speech_goes_on = speaking[-1]
        return goes_on and not self._answer.speaking

    def _consider(self, observations: Iterable[Observation]) -> None:
        moment = self._path.step(observations, clock.now_s())
        self._interrupt(moment)
        due = bool(moment.events) or moment.t_s - self._told_s >= _TELL_S
        if due:
            self._told_s = moment.t_s
        for line in events.lines(moment, states=due):  # before it is sent: no answer is shown before its question
            self._listen(line)
        self._forward.moment(moment)
        self._watch(moment)
        if moment.observations:
            self.summary.observed(clock.now_s())

    def _interrupt(self, moment: Moment) -> None:
        """Barge-in: the person speaks while the device does. A device that would hear itself has to speak on."""
        if not self._answer.speaking:
            self._speaks_since_s = None
            return
        self._speaks_since_s = self._speaks_since_s or moment.t_s
        if self._hears_itself and (self._ears.canceller is None or moment.t_s - self._speaks_since_s < _LEARN_S):
            return
        if any(isinstance(one, SpeechActivity) and one.speaking and one.speech_s >= 0.1 for one in moment.observations):
            self._answer.interrupt()

    def _drained(self) -> bool:
        """All input was perceived: flush what hearing still holds, once, and let the answer be heard."""
        self._audio.close()
        self._video.close()
        if not (self._hearing.join(0.0) and self._sight.join(0.0)):
            return False
        hearing = self._hearing.detector
        if isinstance(hearing, Hearing | Cleaned):
            self._consider(hearing.finish())
        self._answer.wait(self._stop)
        return True

    # ------------------------------------------------------------ looking after itself

    def _look_after(self, now_s: float) -> None:
        rss_mb, peak_mb = health.memory_mb()
        late_s = max(self._hearing.latency.take_recent_s(), self._sight.latency.take_recent_s())
        step = self._governor.update(now_s, late_s=late_s, rss_mb=rss_mb, temperature_c=health.temperature_c())
        failing = {one.uri: one.reason or one.state for one in self._sensors if one.state == "failing"}
        failing |= {one.name: one.failing for one in (self._hearing, self._sight) if one.failing}
        failing |= self._ears.left_out | self._answer.failing()
        report = Health(
            t_s=now_s,
            level=step.name,
            rss_mb=rss_mb,
            peak_mb=peak_mb,
            temperature_c=health.temperature_c(),
            failing=failing,
            dropped=self._dropped(),
            outbox_items=self._answer.outbox_items,
            link=self._answer.link,
        )
        self._forward.health(report)
        self._say("health", report)
        watchdog.notify("WATCHDOG=1")

    def _dropped(self) -> dict[str, int]:
        return {
            "audio": self._audio.dropped,
            "video": self._video.dropped,
            "observations": self._found.dropped,
            "envelopes": self._forward.refused,
            "replies": self._answer.dropped,
        }

    def _close(self) -> None:
        watchdog.notify("STOPPING=1")
        for sensor in self._sensors:
            sensor.stop()
        self._answer.light(self._sensors)
        for slot in (self._audio, self._video, self._found):
            slot.close()
        for worker in (self._hearing, self._sight):
            worker.join(5.0)
        self._slow.shutdown(wait=False, cancel_futures=True)
        self._toolbox.close()
        self._forward.goodbye()
        self._answer.close()
        self.summary.close(
            audio=self._hearing.latency,
            video=self._sight.latency,
            dropped=self._dropped(),
            face_found_pct=100 * self._sight.faces / self._sight.frames if self._sight.frames else None,
            envelopes_sent=self._forward.envelopes if self._config.link.bridges else None,
            envelope_bytes=self._forward.bytes,
            bytes_sent=self._answer.bytes_sent,
            first_audio_ms=self._answer.first_audio_ms,
        )
        self._say("summary", self.summary.lines())

    # ------------------------------------------------------------ parts

    def _supervised(self, text: str) -> Supervised:
        uri = plugin.Uri.parse(text)
        make = plugin.load("edge.sensors", uri.scheme).from_uri
        return Supervised(
            lambda: make(uri),
            audio=self._audio,
            video=self._video,
            on_state=lambda _sensor: self._answer.light(self._sensors),
        )

    @property
    def _hears_itself(self) -> bool:
        live = any(sensor.live and sensor.has_audio for sensor in self._sensors)
        return live and any(output.startswith("speaker") for output in self._config.outputs)

    def _command(self, command: mien_pb2.Command) -> None:
        self._orders.take(command)  # which answers by what the answer sends, and is made after it

    def _mute(self, *, muted: bool) -> None:
        for sensor in self._sensors:
            if sensor.live:
                (sensor.mute if muted else sensor.unmute)()

    def _make_hearing(self) -> Hearing | Cleaned:
        return self._ears.make(affect=self._policy.affect, words=self._policy.words)

    def _make_sight(self) -> Sight:
        return Sight(affect=self._policy.affect, max_people=self._config.perceive.max_people)

    def _tune_hearing(self, hearing: Any) -> None:
        hearing.device_speaking(self._answer.speaking)
        hearing.words_wanted(self._governor.step.words and self._policy.words)

    def _tune_sight(self, sight: Any) -> None:
        step: Step = self._governor.step
        sight.set_rate(frame_hz=step.frame_hz, expression_hz=step.expression_hz, on=step.sight)

    def _say(self, kind: str, value: Any) -> None:
        self._listen(events.line(kind, value))


def _rest_sight(sight: Any) -> float:
    seconds: float = sight.rest_s
    return seconds


def check(config: Config) -> None:
    """Raises ConfigError or PluginError where these settings cannot work at all."""
    if not config.sensors:
        raise ConfigError("no sensors: name at least one, e.g. sensors = ['camera://0', 'mic://default']")
    for text in config.sensors:
        plugin.load("edge.sensors", plugin.Uri.parse(text).scheme)
