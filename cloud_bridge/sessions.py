"""What the bridge remembers of each device: little, bounded, in memory only, and forgotten after a while."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from dataclasses import dataclass, field

from cloud_bridge.answer import Answer
from cloud_bridge.ingest.base import Device, Link
from edge.wire import mien_pb2

REMEMBERED_EXCHANGES = 8  # when there are more, half go at once: what stays keeps its place in a prompt cache
REMEMBERED_CHARACTERS = 400  # of an answer; a question is bounded by its making
FORGET_S = 30 * 60.0
MOST_MEMORIES = 10_000


@dataclass(slots=True)
class Memory:
    """What outlives a reconnect: the last exchanges and the openings used."""

    exchanges: list[tuple[str, str]] = field(default_factory=list)
    openings: deque[str] = field(default_factory=lambda: deque(maxlen=8))
    touched_s: float = field(default_factory=time.monotonic)

    def add(self, question: str, answered: str) -> None:
        """Keep one exchange. The question holds the person's words only where consent let the device send them."""
        if len(self.exchanges) >= REMEMBERED_EXCHANGES:
            del self.exchanges[: REMEMBERED_EXCHANGES // 2]
        self.exchanges.append((question, answered[:REMEMBERED_CHARACTERS]))


@dataclass(slots=True)
class Session:
    """One connected device: its newest state, and the answer that is being made."""

    device: Device
    link: Link
    memory: Memory
    state: mien_pb2.State | None = None
    description: mien_pb2.Description | None = None
    events: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=16))  # (arrival, name)
    answer: Answer | None = None
    cancelled_turn: int = 0
    proactive_s: float = float("-inf")  # when an alert was last spoken to

    def recent_events(self, now_s: float, within_s: float = 20.0) -> list[str]:
        """Names of the events of the last seconds."""
        return [name for at_s, name in self.events if now_s - at_s <= within_s]


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

    def forget(self, device: Device) -> None:
        """Forget `device` at once."""
        self._kept.pop((device.tenant, device.id), None)

    def __len__(self) -> int:
        return len(self._kept)
