"""What an answer is made of, what it is made with, and how it went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from cloud_bridge.breaker import Breaker
from cloud_bridge.cost import Price
from cloud_bridge.providers.base import LanguageModel, Message
from cloud_bridge.speech import Speech
from cloud_bridge.tone import Tone


@dataclass(slots=True)
class Tools:
    """What answers are made with; shared by all sessions."""

    model: LanguageModel
    speech: Speech | None  # None: text only
    breaker: Breaker = field(default_factory=Breaker)
    price: Price | None = None  # of the model's tokens
    hurried: bool = True  # a person waits; False: whatever comes is waited for

    @property
    def patience_s(self) -> float:
        """How long after the turn's end the model may be silent before the tone's own sentence is said."""
        if not self.hurried:
            return 600.0
        return 12.0 if self.model.continues else 5.0  # one that runs on this machine shares it


@dataclass(frozen=True, slots=True)
class Plan:
    """What is answered, and how."""

    turn: int
    words: str
    question: str  # the words with their tone, as the model is asked
    tone: Tone
    opening: str
    messages: Sequence[Message]  # none: the model is not asked
    closing: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """How an answer went: no content, only names and times. `ms`: stage → milliseconds after the turn's end."""

    turn: int
    outcome: str  # answered, fallback, cancelled, broken
    tone: str
    speculative: bool
    ms: dict[str, int]
    failure: str | None
    at_s: float  # of the turn's end, seconds since 1970
    model: str
    tokens: dict[str, int]  # as the provider counted them; empty: it told no count
    pieces: int  # of the model's text, which are about its tokens
    cost: float | None  # US dollars
