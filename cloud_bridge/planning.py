"""How a turn is answered: from what is known of the person, the conversation and the turn to a plan."""

from __future__ import annotations

import time
from collections.abc import Sequence

from cloud_bridge import opening, prompt, tone
from cloud_bridge.plan import Plan
from cloud_bridge.providers.base import LanguageModel, Message
from cloud_bridge.sessions import Session
from edge.wire import mien_pb2


def plan(
    session: Session, envelope: mien_pb2.Envelope, model: LanguageModel, *, limited: bool, first: str | None = None
) -> Plan:
    """The answer to the turn that `envelope` tells of. `limited`: without the model. `first`: the opening that was said
    already."""
    words = prompt.clean(f"{session.left_over(envelope.turn)} {envelope.words}", prompt.WORDS_LIMIT)
    chosen = tone_now(session)
    if first is None:
        heard = None if envelope.words_pending else words
        recent = session.memory.openings
        first = opening.pick(chosen.name, heard, recent, envelope.turn, brief=not model.continues)
    question = prompt.asked(words, chosen, session.description, small=model.small)
    closing = chosen.closings[envelope.turn % len(chosen.closings)] if chosen.closings else ""
    if limited:
        closing = chosen.fallback
    if limited or (chosen.delicate and model.small):
        return Plan(envelope.turn, words, question, chosen, first, (), closing)
    # A quick model's opening is one short word, which any answer can follow: it need not know of it.
    chat = prompt.messages(session.memory.with_person(session.person), question, first if model.continues else "")
    return Plan(envelope.turn, words, question, chosen, first, chat, closing)


def beginning(session: Session) -> Sequence[Message]:
    """What the next question to a model of this machine will begin with, whatever is said."""
    question = prompt.asked(".", tone_now(session), None, small=True)
    return prompt.messages(session.memory.with_person(session.person), question, "")


def tone_now(session: Session) -> tone.Tone:
    """The tone that fits the person's newest state."""
    return tone.decide(session.state, session.recent_events(time.monotonic()))


def fits(held: Plan, now: Plan) -> bool:
    """Whether the answer that was begun still fits: the same words, and the same tone."""
    return held.turn == now.turn and held.tone.name == now.tone.name and plain(held.words) == plain(now.words)


def plain(words: str) -> str:
    """`words` without case and punctuation, which a second reading may change."""
    return "".join(one for one in words.lower() if one.isalnum() or one == " ").strip()
