"""What leaves the device, and when: moments become envelopes, and go into the outbox."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

from edge import clock
from edge.errors import OutboxError
from edge.health import Health
from edge.moment import Moment
from edge.types import Description, Event, PersonState, TurnEnd
from edge.wire import mien_pb2
from edge.wire.envelope import Sealer

_CHANGE_S = 0.5  # a change of label or attention is told at once, but not more often than this
_HEALTH_S = 30.0
_PEOPLE = 16  # of whom it is known what was told
_ORDER_TTL_S = 30.0  # who gave the order has long stopped waiting


class Forwarder:
    """Seals what is worth telling. `put` is the outbox's; a refusal is counted in `refused`, never raised."""

    def __init__(
        self,
        sealer: Sealer,
        put: Callable[[mien_pb2.Envelope], object],
        *,
        state_every_s: float,
        forward_words: bool,
        language: str,
        keep_words: bool = False,
    ) -> None:
        self._sealer = sealer
        self._put = put
        self._every_s = state_every_s
        self._forward_words = forward_words
        self._language = language
        self._keep_words = keep_words
        self._ended: tuple[float, int] | None = None  # when the turn ended whose words are still being read; its number
        self._told: OrderedDict[int, tuple[float, object]] = OrderedDict()  # person → when last, and what
        self._health: tuple[float, tuple[str, ...]] = (0.0, ())  # when last, and what failed then
        self.refused = 0
        self.envelopes = 0
        self.bytes = 0

    def moment(self, moment: Moment) -> None:
        """Tell the bridge what is new in `moment`."""
        if any(event.name == "speech_start" for event in moment.events):
            self._send(self._sealer.turn("speech_start", _turn(moment.states)))
        for one in moment.observations:
            if isinstance(one, TurnEnd):
                self._turn_end(one, moment)
        fired = [event for event in moment.events if not event.name.startswith("speech_")]
        if fired:
            person = fired[0].person
            state = next((one for one in moment.states if one.person == person), None)
            said = next((one for one in moment.descriptions if one.person == person), None)
            self._send(self._sealer.events(fired, state=state, description=said))
        for state in moment.states:
            self._state(state, moment.t_s)

    def health(self, health: Health) -> None:
        """Tell how the device does, now and then and when a part fails or recovers."""
        told_s, failed = self._health
        if health.t_s - told_s < _HEALTH_S and failed == tuple(health.failing):
            return
        self._health = (health.t_s, tuple(health.failing))
        envelope = self._sealer.health(
            level=health.level,
            rss_mb=health.rss_mb or 0.0,
            temperature_c=health.temperature_c,
            dropped={**health.dropped, **health.holes},
            failing=health.failing,
            outbox_items=health.outbox_items,
        )
        self._send(envelope)

    def order(self, number: int, told: Mapping[str, str | bool]) -> None:
        """Answer the bridge's order `number`; 0: it asked for no answer. Any thread."""
        if number:
            event = Event(t_s=clock.now_s(), name="order", arguments={"id": number, **told})
            self._send(self._sealer.events([event], ttl_s=_ORDER_TTL_S))

    def goodbye(self) -> None:
        """Tell that the device ends on purpose."""
        self._send(self._sealer.goodbye())

    def _turn_end(self, end: TurnEnd, moment: Moment) -> None:
        state = speaker(moment.states)
        words = end.words if self._forward_words else None
        again = self._ended is not None and end.final and self._ended[0] == end.t_s
        turn = self._ended[1] if self._ended is not None and again else _turn(moment.states)
        if end.final:
            self._ended = (end.t_s, turn) if end.words_pending else None
        if again and not self._forward_words:
            return
        self._send(
            self._sealer.turn(
                "turn_end" if end.final else "turn_maybe",
                turn,
                state=state,
                description=_of(moment.descriptions, state),
                words=words,
                words_pending=end.words_pending and self._forward_words,
                keep_words=self._keep_words and words is not None,
                language=self._language if words else None,
                speech_end_s=end.speech_end_s,
            )
        )

    def _state(self, state: PersonState, now_s: float) -> None:
        gist = (
            state.fused.label if state.fused and not state.fused.unclear else None,
            state.attention.on_target if state.attention else None,
            bool(state.incongruence),
        )
        told_s, before = self._told.get(state.person, (float("-inf"), None))
        if now_s - told_s < (_CHANGE_S if gist != before else self._every_s):
            return
        self._told[state.person] = (now_s, gist)
        self._told.move_to_end(state.person)
        while len(self._told) > _PEOPLE:  # each face that comes has a new number: in a hall they never end
            self._told.popitem(last=False)
        self._send(self._sealer.state(state))

    def _send(self, envelope: mien_pb2.Envelope) -> None:
        try:
            self._put(envelope)
        except OutboxError:  # counted here, shown in health; perception goes on
            self.refused += 1
            return
        self.envelopes += 1
        self.bytes += envelope.ByteSize()


def speaker(states: Sequence[PersonState]) -> PersonState | None:
    """Whose turn it is: who speaks or was heard last; else the first in view."""
    heard = [state for state in states if state.voice is not None]
    speaking = [state for state in states if state.speaking]
    return next(iter(speaking + heard + list(states)), None)


def _turn(states: Sequence[PersonState]) -> int:
    return max((state.turn for state in states), default=0)


def _of(descriptions: Sequence[Description], state: PersonState | None) -> Description | None:
    return next((one for one in descriptions if state is not None and one.person == state.person), None)
