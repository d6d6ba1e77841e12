"""The conversation with every device: envelopes in, answers out."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass

from cloud_bridge import planning, prompt, tone
from cloud_bridge.ahead import Ahead
from cloud_bridge.answer import Answer
from cloud_bridge.errors import BridgeError
from cloud_bridge.handover import Handover
from cloud_bridge.ingest.base import Device, Effect, Link
from cloud_bridge.plan import Plan, Report, Tools
from cloud_bridge.planning import fits, plain
from cloud_bridge.priming import Priming
from cloud_bridge.record import Record
from cloud_bridge.sessions import Memories, Memory, Session
from edge.wire import mien_pb2

_SAY_S = 15.0  # how long something that is to be said waits for a running answer
TURNS_PER_MIN = 40  # of one device that a model is asked; people take fewer than twenty
GUESSES_PER_MIN = 30  # after so many no answer is begun early
_CUT_SHORT_S = 1.5  # who speaks again so soon after a turn's end had not finished, and has hardly heard an answer
_ALERT_REST_S = 60.0  # between two unasked remarks to the same person


@dataclass(slots=True)
class Counts:
    """What was counted since start."""

    envelopes: int = 0
    answers: int = 0
    fallbacks: int = 0
    cancelled: int = 0
    guesses: int = 0  # answers begun before the turn was over
    guesses_wasted: int = 0
    limited: int = 0  # turns beyond what one device may ask a model in a minute
    pieces_wasted: int = 0  # of the model's text, in answers that were begun too early


class Conversation:
    """Implements `cloud_bridge.ingest.base.Handler`. `told` hears how each answer went; it never sees content."""

    def __init__(
        self,
        tools: Tools,
        told: Callable[[Device, Report], None],
        *,
        speculate: bool = True,
        record: Record | None = None,
        handover: Handover | None = None,
    ) -> None:
        self.counts = Counts()
        self.reports: deque[tuple[Device, Report]] = deque(maxlen=200)
        self._tools = tools
        self._told = told
        self._speculate = speculate
        self._record = record or Record(None)
        self._handover = handover
        self._memories = Memories()
        self._sessions: dict[Device, Session] = {}
        self._priming = Priming(tools.model)

    # ------------------------------------------------------------ called by the ingest

    async def connected(self, device: Device, link: Link) -> None:
        """A device session began."""
        ahead = Ahead(device, link, self._tools)
        self._sessions[device] = Session(device, link, self._memories.of(device), ahead)
        self._record.link(device, "connected")

    async def received(self, device: Device, envelope: mien_pb2.Envelope) -> Effect | None:
        """Take one envelope. Returns at once; answers are made by tasks."""
        session = self._sessions[device]
        self.counts.envelopes += 1
        self._record.envelope(device, envelope)
        if envelope.boot != device.boot:
            return None  # it was kept through a restart: history, not something to answer
        now_s = time.monotonic()
        session.events.extend((now_s, event.name) for event in envelope.events)
        if envelope.HasField("state"):
            session.state = envelope.state
        if envelope.HasField("description"):
            session.description = envelope.description
        match envelope.kind:
            case mien_pb2.SPEECH_START:
                await self._drop_guess(session)
                if session.answer is not None and session.answer.waits:  # for words: the person goes on
                    await self.cancelled(device, session.answer.plan.turn)
                self._priming.begin(session)
                await self._offer(session, envelope.turn)
            case mien_pb2.TURN_MAYBE:
                if self._speculate and not envelope.words_pending:
                    await self._guess(session, envelope)
                await self._offer(session, envelope.turn)
            case mien_pb2.TURN_END:
                await self._reply(session, envelope)
            case mien_pb2.EVENT if any(event.alert for event in envelope.events):
                await self._remark(session, envelope, now_s)
        return None

    async def cancelled(self, device: Device, turn: int) -> None:
        """The person spoke again: stop the answer to `turn` and to all turns before it."""
        session = self._sessions[device]
        session.cancelled_turn = max(session.cancelled_turn, turn)
        if session.answer is not None and session.answer.plan.turn <= turn:
            await self._drop(session)

    async def disconnected(self, device: Device) -> None:
        """The session ended."""
        if (session := self._sessions.pop(device, None)) is not None:
            await self._drop(session)
        self._record.link(device, "gone")

    async def close(self) -> None:
        """Stop every answer."""
        await asyncio.gather(*(self._drop(session) for session in self._sessions.values()))
        await self._priming.stop()

    async def say(self, device: Device, text: str) -> None:
        """Say `text` to the person, as soon as no answer is under way. Raises BridgeError."""
        until_s = time.monotonic() + _SAY_S
        while (session := self._sessions.get(device)) is not None and session.answer and session.answer.released:
            if time.monotonic() > until_s:
                raise BridgeError("the person is being answered: try again later")
            await asyncio.sleep(0.05)
        if session is None:
            raise BridgeError(f"'{device.id}' is not connected now")
        await self._drop_guess(session)
        turn = session.last.turn if session.last is not None else 0
        plan = Plan(turn if turn > session.cancelled_turn else 0, "", "", tone.TONES["plain"], text, ())
        self._begin(session, plan).release()

    def memory(self, device: Device) -> Memory:
        """What is remembered of the conversation with `device`; a fleet carries it from bridge to bridge."""
        return self._memories.of(device)

    async def forget(self, tenant: str, device: str, person: int | None = None) -> dict[str, int]:
        """Erase what is held in memory of `device`, or of one person in front of it. What was found, by name."""
        for session in self._here(tenant, device, person):
            await self._drop(session)  # first: an answer that is stopped is remembered as far as it was said
        await self._priming.stop()  # it holds what was said before
        found = {"exchanges": self._memories.forget(tenant, device, person), "sessions": 0}
        for session in self._here(tenant, device, person):
            found["sessions"] += 1
            session.forget()
            session.memory = self._memories.of(session.device)
        self._record.erased(tenant, device)
        return found

    def _here(self, tenant: str, device: str, person: int | None) -> list[Session]:
        """The sessions of `device`; only those that may be with `person`, if given."""
        return [
            session
            for session in self._sessions.values()
            if (session.device.tenant, session.device.id) == (tenant, device)
            and (person is None or session.person in (0, person))
        ]

    # ------------------------------------------------------------ answers

    async def _guess(self, session: Session, envelope: mien_pb2.Envelope) -> None:
        """The turn may be over: begin an answer that is sent only if it is."""
        if envelope.turn <= session.cancelled_turn or (session.answer is not None and session.answer.released):
            return
        now_s = time.monotonic()
        session.guesses.paused(envelope.turn, plain(envelope.words))
        pays = session.may_ask(now_s, GUESSES_PER_MIN) and session.guesses.pay(now_s)
        if not pays and session.answer is None:
            return
        plan = self._plan(session, envelope)
        if session.answer is not None:
            if session.answer.held and fits(session.answer.plan, plan):
                return
            await self._drop_guess(session)
            if not pays:
                return
        self.counts.guesses += 1
        self._begin(session, plan, speculative=True)

    async def _reply(self, session: Session, envelope: mien_pb2.Envelope) -> None:
        """The turn is over: release the guess if it still fits, else begin anew. Words may follow the end."""
        pending = envelope.words_pending
        if envelope.turn <= session.cancelled_turn:  # the person went on, or broke in, before these words came
            if not pending:
                session.leave_over(envelope.turn, prompt.clean(envelope.words, prompt.WORDS_LIMIT))
            return
        held = session.answer
        if held is not None and held.released and held.plan.turn == envelope.turn:
            if held.waits and not pending:
                session.last = envelope
                held.ask(self._plan(session, envelope, first=held.plan.opening))
            return
        if 0 < envelope.turn <= session.ended_turn:  # it was answered without its words, which come too late
            return
        session.last, session.ended_turn = envelope, envelope.turn
        said = session.ahead.said(envelope.turn)
        if not pending:
            session.guesses.ended(envelope.turn, plain(envelope.words))
        if held is not None and not held.released and held.plan.turn == envelope.turn:
            if held.held and not pending and fits(held.plan, self._plan(session, envelope)):
                session.memory.openings.append(said or held.plan.opening)
                held.release(said)
                return
            await self._drop_guess(session)
        else:
            await self._drop(session)
        plan = self._plan(session, envelope, first=said or None)
        session.memory.openings.append(plan.opening)
        self._begin(session, plan, waits=pending).release(said)

    async def _offer(self, session: Session, turn: int) -> None:
        """The person speaks: let the first words of the answer lie at the device as the turn ends."""
        there = session.answer is not None and session.answer.near  # it needs no opening
        if turn > max(session.ended_turn, session.cancelled_turn) and not there:
            await session.ahead.offer(turn, planning.tone_now(session).name, session.memory.openings)

    async def _remark(self, session: Session, envelope: mien_pb2.Envelope, now_s: float) -> None:
        """An alert, such as a driver's closed eyes, is spoken to unasked, in fixed words, and not too often."""
        chosen = tone.decide(session.state, [event.name for event in envelope.events])
        if chosen.name not in ("distress", "drowsy") or now_s - session.proactive_s < _ALERT_REST_S:
            return
        if session.answer is not None and session.answer.released:
            return
        await self._drop_guess(session)
        session.proactive_s = now_s
        session.last = envelope
        self._begin(session, Plan(envelope.turn, "", "", chosen, chosen.fallback, ())).release()

    def _plan(self, session: Session, envelope: mien_pb2.Envelope, *, first: str | None = None) -> Plan:
        limited = not session.may_ask(time.monotonic(), TURNS_PER_MIN)
        self.counts.limited += limited
        return planning.plan(session, envelope, self._tools.model, limited=limited, first=first)

    def _begin(self, session: Session, plan: Plan, *, speculative: bool = False, waits: bool = False) -> Answer:
        def done(answer: Answer) -> None:
            self._finished(session, answer)

        if plan.messages:
            session.asked.append(time.monotonic())
            self._priming.give_way()
        session.answer = Answer(
            plan, self._tools, session.link, done, near=session.ahead.withdraw, speculative=speculative, waits=waits
        )
        session.answer.start()
        return session.answer

    def _finished(self, session: Session, answer: Answer) -> None:
        if session.answer is answer:
            session.answer = None
        if not answer.released:
            self.counts.guesses_wasted += 1
            self.counts.pieces_wasted += answer.pieces
            session.guesses.wasted(time.monotonic())
            return
        report = answer.report()
        self.counts.answers += 1
        self.counts.fallbacks += report.outcome == "fallback"
        self.counts.cancelled += report.outcome == "cancelled"
        spoke = answer.plan.turn <= session.cancelled_turn or answer.plan.turn < session.ended_turn
        goes_on = not answer.answered or (spoke and answer.released_for_s < _CUT_SHORT_S)
        if report.outcome == "cancelled" and goes_on:
            session.leave_over(answer.plan.turn, answer.plan.words)
        elif answer.said and answer.plan.question:
            session.unanswered = []
            session.memory.add(session.person, answer.plan.question, " ".join(answer.said))
        self.reports.append((session.device, report))
        if session.last is not None and session.last.turn == report.turn:
            said = " ".join(answer.said)
            self._record.turn(session.device, session.last, asdict(report), answer.plan.words, said)
        if self._handover is not None and answer.plan.question:
            self._handover.turn(session.device, session.person, report.turn, report.tone)
        self._told(session.device, report)
        if answer.plan.messages and self._sessions.get(session.device) is session:
            self._priming.begin(session)  # what was just said is read now, not when the person waits

    async def _drop(self, session: Session) -> None:
        if session.answer is not None:
            await session.answer.drop()

    async def _drop_guess(self, session: Session) -> None:
        if session.answer is not None and not session.answer.released:
            await session.answer.drop()
