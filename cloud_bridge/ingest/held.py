"""Reply chunks that were sent, held until the device has them, so that a reply goes on after a cut."""

from __future__ import annotations

import time
from collections import deque

from edge.wire import mien_pb2

MOST_BYTES = 8 << 20  # per device; beyond that the oldest go
_DEFAULT_TTL_MS = 10_000


class Held:
    """The chunks of one session, oldest first, each for its ttl."""

    def __init__(self) -> None:
        self._chunks: deque[tuple[float, mien_pb2.Reply]] = deque()  # when it expires, and the chunk
        self._bytes = 0

    def add(self, reply: mien_pb2.Reply) -> None:
        """Hold one more."""
        now_s = time.monotonic()
        self._chunks.append((now_s + (reply.ttl_ms or _DEFAULT_TTL_MS) / 1_000, reply))
        self._bytes += reply.ByteSize()
        while self._chunks and (self._bytes > MOST_BYTES or self._chunks[0][0] < now_s):
            self._drop()

    def since(self, first: tuple[int, int]) -> tuple[list[mien_pb2.Reply], int]:
        """The chunks from (reply, chunk) `first` on with what is left of their ttl, and how many had expired."""
        now_s = time.monotonic()
        found, expired = [], 0
        for expires_s, reply in self._chunks:
            if (reply.reply, reply.chunk) < first:
                continue
            if expires_s < now_s:
                expired += 1
                continue
            again = mien_pb2.Reply()
            again.CopyFrom(reply)
            if reply.ttl_ms:
                again.ttl_ms = max(1, round((expires_s - now_s) * 1_000))
            found.append(again)
        return found, expired

    def release(self, upto: tuple[int, int]) -> None:
        """The device has all up to and including (reply, chunk) `upto`."""
        while self._chunks and (self._chunks[0][1].reply, self._chunks[0][1].chunk) <= upto:
            self._drop()

    def cancel(self, turn: int) -> None:
        """Nobody wants the replies to `turn` and to all before any more."""
        self._chunks = deque(held for held in self._chunks if not 0 < held[1].turn <= turn)
        self._bytes = sum(reply.ByteSize() for _, reply in self._chunks)

    def _drop(self) -> None:
        self._bytes -= self._chunks.popleft()[1].ByteSize()
