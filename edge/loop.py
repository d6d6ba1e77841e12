"""The main path of a device, from frames to envelopes, readable top to bottom.

senses (sensors, hearing, sight: a thread each) ─▶ path (this thread) ─▶ forward ─▶ outbox ─▶ uplink
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
from edge.errors import ConfigError
from edge.forward import Forwarder
from edge.health import Health
from edge.moment import Moment
from edge.orders import Orders
from edge.policy import Policy
from edge.reference import Reference
from edge.rules import Rules
from edge.senses import Senses
from edge.sensors.supervise import SensorHealth
from edge.summary import Summary
from edge.tools.base import Place, Toolbox
from edge.types import Observation, SpeechActivity
from edge.wire import mien_pb2
from edge.wire.envelope import Sealer

_TICK_S = 0.1
_STEP_S = 0.05  # sound that changes nothing waits so long for a picture's observations, at most twice that
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
        self._notice: dict[str, str | None] = {}
        self._speaks_since_s: float | None = None
        self._speech_goes_on = False
        self._slow = ThreadPoolExecutor(1, "words")  # judging a pause must not hold up the sound that follows it
        self._sealer = Sealer(config.device, keep_states=config.purpose.keep_states)
        self._answer: Answer
        self.senses = Senses(
            config,
            self._policy,
            speaking=lambda: self._answer.speaking,
            submit=self._slow.submit,
            on_state=self._light,
        )
        canceller = self.senses.ears.canceller
        self._answer = Answer(
            config,
            self._sealer,
            self._say,
            out=out,
            on_command=self._command,
            players=[Reference(canceller)] if canceller else [],
        )
        self._policy.on_stop += [self.senses.halt, self._answer.forget]
        self._consent = Consent(config.consent_record())
        self._consent.heed(self._policy)
        self._policy.on_withdraw.append(self._answer.forget)  # from now on: of old decisions nothing waits any more
        self._forward = Forwarder(
            self._sealer,
            self._answer.put,
            state_every_s=config.link.state_every_s,
            forward_words=config.purpose.forward_words,
            keep_words=config.purpose.keep_words,
            language=config.perceive.language,
        )
        self._orders = Orders(
            self._forward.order, policy=self._policy, rules=self._rules, mute=self.senses.mute, submit=self._slow.submit
        )
        self.summary = Summary()

    def run(self) -> Summary:
        """Work until `stop()` or the end of every input; then answer what is open, and close everything."""
        try:
            self._policy.disclose(lambda _notice: self._tell_notice())
            self._answer.start()
            self.senses.load()
            self.summary.ready()
            if self._policy.mode != "off":
                self.senses.open()
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
        return self.senses.broken()

    # ------------------------------------------------------------ the main path

    def _work(self) -> None:
        health_due_s = stepped_s = clock.now_s()
        held: list[Observation] = []  # what says nothing new waits for what does
        while not self._stop.is_set():
            batch = self.senses.take(_STEP_S if held else _TICK_S)
            self._consent.heed(self._policy)
            self._tell_notice()
            now_s = clock.now_s()
            held += batch or ()
            urgent = batch is not None and not self._goes_on(batch)
            if urgent or now_s - stepped_s >= (_STEP_S if held else _TICK_S):  # time passes in an empty room, too
                stepped_s, now, held = now_s, held, []
                self._consider(now)
            if now_s >= health_due_s:
                health_due_s = now_s + _HEALTH_S
                self._look_after(now_s)
            if batch is None and self.senses.over and self._drained():
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
        deaf = self.senses.ears.canceller is None or moment.t_s - self._speaks_since_s < _LEARN_S
        if deaf and self.senses.hears_itself:
            return
        if any(isinstance(one, SpeechActivity) and one.speaking and one.speech_s >= 0.1 for one in moment.observations):
            self._answer.interrupt()

    def _drained(self) -> bool:
        """All input was perceived: flush what hearing still holds, once, and let the answer be heard."""
        rest = self.senses.flush()
        if rest is None:
            return False
        self._consider(rest)
        self._answer.wait(self._stop)
        return True

    # ------------------------------------------------------------ looking after itself

    def _look_after(self, now_s: float) -> None:
        rss_mb, peak_mb = health.memory_mb()
        temperature_c = health.temperature_c()
        step = self.senses.spare(now_s, rss_mb=rss_mb, temperature_c=temperature_c)
        report = Health(
            t_s=now_s,
            level=step.name,
            rss_mb=rss_mb,
            peak_mb=peak_mb,
            temperature_c=temperature_c,
            failing=self.senses.failing() | self._answer.failing(),
            dropped=self._dropped(),
            holes=self.senses.holes(),
            outbox_items=self._answer.outbox_items,
            link=self._answer.link,
        )
        self._forward.health(report)
        self._say("health", report)
        watchdog.notify("WATCHDOG=1")

    def _dropped(self) -> dict[str, int]:
        return {
            **self.senses.dropped(),
            "envelopes": self._forward.refused,
            "replies": self._answer.dropped,
        }

    def _close(self) -> None:
        watchdog.notify("STOPPING=1")
        self.senses.shut()
        self._light()
        self.senses.close()
        self._slow.shutdown(wait=False, cancel_futures=True)
        self._toolbox.close()
        try:
            self._consent.heed(self._policy)  # a last time: what is withdrawn from now on `mien consent` itself erases
        finally:
            self._forward.goodbye()
            self._answer.close()
        hearing, sight = self.senses.hearing, self.senses.sight
        self.summary.close(
            audio=hearing.latency,
            video=sight.latency,
            dropped=self._dropped(),
            face_found_pct=100 * sight.faces / sight.frames if sight.frames else None,
            envelopes_sent=self._forward.envelopes if self._config.link.bridges else None,
            envelope_bytes=self._forward.bytes,
            bytes_sent=self._answer.bytes_sent,
            first_audio_ms=self._answer.first_audio_ms,
        )
        self._say("summary", self.summary.lines())

    def _tell_notice(self) -> None:
        """People are told what is perceived, at the start and whenever it becomes another."""
        notice = {"text": self._policy.notice, "reason": self._policy.reason}
        if notice != self._notice:
            self._notice = notice
            self._say("notice", notice)
            if self._policy.mode == "off":  # for whatever reason, e.g. an audit log that cannot be written any more
                self.senses.halt()

    def _command(self, command: mien_pb2.Command) -> None:
        self._orders.take(command)  # which answers by what the answer sends, and is made after it

    def _light(self) -> None:
        self._answer.light(self.senses.sensors)

    def _say(self, kind: str, value: Any) -> None:
        self._listen(events.line(kind, value))


def check(config: Config) -> None:
    """Raises ConfigError or PluginError where these settings cannot work at all."""
    if not config.sensors:
        raise ConfigError("no sensors: name at least one, e.g. sensors = ['camera://0', 'mic://default']")
    for text in config.sensors:
        plugin.load("edge.sensors", plugin.Uri.parse(text).scheme)
    for text in config.outputs:
        plugin.check("edge.outputs", text.partition(":")[0])
