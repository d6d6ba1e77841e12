"""Sealing: from the device's types to envelopes that keep the contract."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from threading import Lock
from typing import Literal

from edge import clock
from edge.types import Description, Event, PersonState
from edge.wire import mien_pb2
from edge.wire.check import VERSION, check_device, new_id
from edge.wire.limits import MAX_ENVELOPE, fit, shorten
from edge.wire.scale import fill_state, ms

Moment = Literal["speech_start", "turn_maybe", "turn_end"]
_MOMENTS = {
    "speech_start": mien_pb2.SPEECH_START,
    "turn_maybe": mien_pb2.TURN_MAYBE,
    "turn_end": mien_pb2.TURN_END,
}


class Sealer:
    """Makes the envelopes of one start of one device: gives each its place (`boot`, `seq`) and makes it fit.

    `device` names the device: letters, digits, dot, dash, underscore, at most 64; WireError otherwise. `boot` is drawn
    when not given. `keep_states`: the person agreed that how they were is kept. May be used from several threads.
    """

    def __init__(
        self,
        device: str,
        *,
        boot: int | None = None,
        keep_states: bool = False,
        now_s: Callable[[], float] = clock.now_s,
    ) -> None:
        check_device(device)
        self.device = device
        self.boot = boot or new_id()
        self._keep_states = keep_states
        self._now_s = now_s
        self._seq = 0
        self._lock = Lock()

    def hello(self, software: str, token: str = "") -> mien_pb2.Hello:
        """The first packet of every connection."""
        return mien_pb2.Hello(v=VERSION, device=self.device, boot=self.boot, software=software, token=token)

    def state(
        self,
        state: PersonState,
        description: Description | None = None,
        *,
        ttl_s: float = 60.0,
        priority: mien_pb2.Priority = mien_pb2.LOW,
    ) -> mien_pb2.Envelope:
        """A person's state, with the description where there is one. LOW by default: the next state replaces it."""
        envelope = self._begin(mien_pb2.STATE, state.turn, ttl_s, priority)
        self._put_state(envelope, state, description)
        return self._seal(envelope)

    def turn(
        self,
        moment: Moment,
        turn: int,
        *,
        state: PersonState | None = None,
        description: Description | None = None,
        words: str | None = None,
        words_pending: bool = False,
        keep_words: bool = False,
        language: str | None = None,
        speech_end_s: float | None = None,
        ttl_s: float = 10.0,
    ) -> mien_pb2.Envelope:
        """A moment of a turn. `speech_end_s`: monotonic time of the turn's last speech. `words_pending`: they follow.
        `keep_words`: the person agreed that they are kept."""
        envelope = self._begin(_MOMENTS[moment], turn, ttl_s, mien_pb2.NORMAL)
        if state is not None:
            self._put_state(envelope, state, description)
        if words:
            envelope.words = shorten(words, MAX_ENVELOPE)
        envelope.words_pending = words_pending
        envelope.keep_words = keep_words
        if words and language:
            envelope.language = shorten(language, 35)  # the longest tag that BCP 47 asks everyone to take
        if speech_end_s is not None:
            envelope.speech_end_age_ms = ms(self._now_s() - speech_end_s)
        return self._seal(envelope)

    def events(
        self,
        events: Iterable[Event],
        *,
        state: PersonState | None = None,
        description: Description | None = None,
        ttl_s: float = 86_400.0,
    ) -> mien_pb2.Envelope:
        """Rules that fired, with the state they fired on. One alert among them makes the envelope an alert."""
        events = list(events)
        alert = any(event.priority == "alert" for event in events)
        priority = mien_pb2.ALERT if alert else mien_pb2.NORMAL
        envelope = self._begin(mien_pb2.EVENT, state.turn if state else 0, ttl_s, priority)
        if state is not None:
            self._put_state(envelope, state, description)
        for event in events:
            added = envelope.events.add(
                name=shorten(event.name, 64),
                age_ms=ms(self._now_s() - event.t_s),
                alert=event.priority == "alert",
                arguments={shorten(k, 64): shorten(_text(v), 256) for k, v in event.arguments.items()},
            )
            if event.person is not None:
                added.person = event.person
        return self._seal(envelope)

    def health(
        self,
        *,
        level: str = "",
        rss_mb: float = 0.0,
        temperature_c: float | None = None,
        dropped: Mapping[str, int] | None = None,
        failing: Iterable[str] = (),
        outbox_items: int = 0,
        ttl_s: float = 120.0,
    ) -> mien_pb2.Envelope:
        """How the device does. `dropped`: items dropped per queue since boot."""
        envelope = self._begin(mien_pb2.HEALTH, 0, ttl_s, mien_pb2.LOW)
        health = envelope.health
        health.level = shorten(level, 64)
        health.rss_mb = round(rss_mb)
        if temperature_c is not None:
            health.temperature_c = round(temperature_c)
        for name, count in (dropped or {}).items():
            if count:
                health.dropped[shorten(name, 64)] = min(count, 0xFFFFFFFF)
        health.failing.extend(shorten(name, 96) for name in failing)
        health.outbox_items = outbox_items
        return self._seal(envelope)

    def stages(self, turn: int, ttl_s: float = 30.0, **after_ms: float) -> mien_pb2.Envelope:
        """When the stages of `turn` were, in ms after its last speech, by the names of `Stages`."""
        envelope = self._begin(mien_pb2.STAGES, turn, ttl_s, mien_pb2.LOW)
        for name, value in after_ms.items():
            setattr(envelope.stages, name, ms(value / 1_000))
        return self._seal(envelope)

    def goodbye(self) -> mien_pb2.Envelope:
        """The device ends on purpose."""
        return self._seal(self._begin(mien_pb2.GOODBYE, 0, 10.0, mien_pb2.NORMAL))

    def _begin(self, kind: mien_pb2.Kind, turn: int, ttl_s: float, priority: mien_pb2.Priority) -> mien_pb2.Envelope:
        return mien_pb2.Envelope(
            v=VERSION,
            device=self.device,
            boot=self.boot,
            turn=turn,
            mono_ms=round(self._now_s() * 1_000),
            utc_ms=clock.utc_ms(),
            clock_synced=clock.clock_synced(),
            ttl_ms=ms(ttl_s),
            priority=priority,
            kind=kind,
            keep_states=self._keep_states,
        )

    def _put_state(self, envelope: mien_pb2.Envelope, state: PersonState, description: Description | None) -> None:
        fill_state(envelope.state, state, self._now_s())
        if description is None:
            return
        for name in ("audio", "visual", "joint"):
            line: str | None = getattr(description, name)
            if line:
                setattr(envelope.description, name, shorten(line, MAX_ENVELOPE))

    def _seal(self, envelope: mien_pb2.Envelope) -> mien_pb2.Envelope:
        with self._lock:
            envelope.seq = self._seq + 1
            fit(envelope)  # before the number is used up: an envelope that does not fit leaves no gap
            self._seq += 1
        return envelope


def _text(value: str | float | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
