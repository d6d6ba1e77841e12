"""What the bridge remembers of each device: little, bounded, in memory only, and forgotten after a while."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from dataclasses import dataclass, field

from cloud_bridge.ahead import Ahead
from cloud_bridge.answer import Answer
from cloud_bridge.guesses import Guesses
from cloud_bridge.ingest.base import Device, Link
from edge.wire import mien_pb2

REMEMBERED_EXCHANGES = 8  # when there are more, half go at once: what stays keeps its place in a prompt cache
REMEMBERED_CHARACTERS = 400  # of an answer; a question is bounded by its making
GOES_ON_S = 12.0  # who was cut short and speaks again within this time goes on with what was said
FORGET_S = 30 * 60.0
MOST_MEMORIES = 10_000


@dataclass(slots=True)
class Memory:
    """What outlives a reconnect: the last exchanges, each with the person it was with, and the openings used."""

    exchanges: list[tuple[int, str, str]] = field(default_factory=list)  # person, question, answer
    openings: deque[str] = field(default_factory=lambda: deque(maxlen=8))
    touched_s: float = field(default_factory=time.monotonic)

    def add(self, person: int, question: str, answered: str) -> None:
        """Keep one exchange. The question holds the person's words only where consent let the device send them."""
        if len(self.exchanges) >= REMEMBERED_EXCHANGES:
            del self.exchanges[: REMEMBERED_EXCHANGES // 2]
        self.exchanges.append((person, question, answered[:REMEMBERED_CHARACTERS]))

    def with_person(self, person: int) -> list[tuple[str, str]]:
        """What was said with `person`, oldest first; a voice without a face (0) may be anybody's."""
        return [(asked, said) for who, asked, said in self.exchanges if 0 in (who, person) or who == person]

    def forget(self, person: int) -> int:
        """Forget what was said with `person`, and what may have been. How many exchanges went."""
        before = len(self.exchanges)
        self.exchanges = [one for one in self.exchanges if one[0] not in (0, person)]
        return before - len(self.exchanges)


@dataclass(slots=True)
class Session:
    """One connected device: its newest state, and the answer that is being made."""

    device: Device
    link: Link
    memory: Memory
    ahead: Ahead
    state: mien_pb2.State | None = None
    description: mien_pb2.Description | None = None
    events: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=16))  # (arrival, name)
    answer: Answer | None = None
    last: mien_pb2.Envelope | None = None  # what ended the turn that is answered
    ended_turn: int = 0
    cancelled_turn: int = 0
    unanswered: list[tuple[float, int, str]] = field(default_factory=list)  # (arrival, turn, words)
    asked: deque[float] = field(default_factory=lambda: deque(maxlen=64))  # when a model was asked
    guesses: Guesses = field(default_factory=Guesses)
    proactive_s: float = float("-inf")  # when an alert was last spoken to

    @property
    def person(self) -> int:
        """Who is in front of the device; 0: a voice alone, or nobody known."""
        return self.state.person if self.state is not None else 0

    def recent_events(self, now_s: float, within_s: float = 20.0) -> list[str]:
        """Names of the events of the last seconds."""
        return [name for at_s, name in self.events if now_s - at_s <= within_s]

    def may_ask(self, now_s: float, per_min: int) -> bool:
        """Whether fewer than `per_min` answers were begun in the last minute."""
        return sum(now_s - at_s < 60.0 for at_s in self.asked) < per_min

    def forget(self) -> None:
        """Erase what is known of the person now."""
        self.state = self.description = self.last = None
        self.events.clear()
        self.guesses.forget()
        self.unanswered = []

    def leave_over(self, turn: int, words: str) -> None:
        """The words of a turn that the person went on speaking after, before anything was answered."""
        if words and all(turn != before for _, before, _ in self.unanswered):
            self.unanswered = [*self.unanswered[-2:], (time.monotonic(), turn, words)]

    def left_over(self, turn: int) -> str:
        """What belongs before the words of `turn`, because it was not answered just before."""
        since_s = time.monotonic() - GOES_ON_S
        parts = [words for at_s, before, words in self.unanswered if at_s >= since_s and before < turn]
        return " ".join(words.removesuffix(".") for words in parts)  # the recognizer closes whatever it hears


class Memories:
    """Memories by tenant and device; the oldest go when there are too many, all go after `FORGET_S`."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], Memory] = OrderedDict()

    def of(self, device: Device) -> Memory:
        """The memory of `device`, fresh where there is none."""
        now_s = time.monotonic()
        while self._kept:
            key, oldest = next(iter(self._kept.items()))
            if now_s - oldest.touched_s < FORGET_S and len(self._kept) < MOST_MEMORIES:
                break
            del self._kept[key]
        memory = self._kept.setdefault((device.tenant, device.id), Memory())
        memory.touched_s = now_s
        self._kept.move_to_end((device.tenant, device.id))
        return memory

    def forget(self, tenant: str, device: str, person: int | None) -> int:
        """Forget `device`, or one person in front of it, at once. How many exchanges went."""
        memory = self._kept.get((tenant, device))
        if memory is None:
            return 0
        if person is not None:
            return memory.forget(person)
        found = len(memory.exchanges)
        memory.exchanges.clear()
        memory.openings.clear()
        del self._kept[tenant, device]
        return found

    def __len__(self) -> int:
        return len(self._kept)
