"""Fair shares of the language model: so many answers at once, and among those that wait each tenant in turn."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextvars import ContextVar

from cloud_bridge.errors import ProviderBusy
from cloud_bridge.providers.base import LanguageModel, Message, Usage

TENANT: ContextVar[str] = ContextVar("tenant", default="default")
"""Whose answer is being made; set where an envelope comes in, inherited by the tasks that it begins."""

_MOST_WAITING = 64  # of one tenant; one more is refused, and its person hears the tone's own sentence


class Gate:
    """Lets `limit` through at once. A tenant with a thousand waiting delays another's first by one place at most."""

    def __init__(self, limit: int) -> None:
        self.refused = 0
        self._free = limit
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @contextlib.asynccontextmanager
    async def pass_(self, tenant: str) -> AsyncIterator[None]:
        """Wait for a place, and keep it for the block. Raises ProviderBusy when too many of `tenant` wait."""
        if self._free > 0:
            self._free -= 1
        else:
            await self._queue(tenant)
        try:
            yield
        finally:
            self._next()

    async def _queue(self, tenant: str) -> None:
        line = self._waiting.setdefault(tenant, deque())
        if len(line) >= _MOST_WAITING:
            self.refused += 1
            raise ProviderBusy(f"{len(line)} answers of this tenant wait already")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._next()  # the place had just been given
            elif turn in line:
                line.remove(turn)
            raise

    def _next(self) -> None:
        while self._waiting:
            tenant, line = self._waiting.popitem(last=False)
            while line:
                turn = line.popleft()
                if not turn.done():
                    if line:
                        self._waiting[tenant] = line  # to the end of the round
                    turn.set_result(None)
                    return
        self._free += 1


class FairModel:
    """A `LanguageModel` behind a gate."""

    def __init__(self, model: LanguageModel, gate: Gate) -> None:
        self._model, self._gate = model, gate
        self.name, self.small, self.continues, self.usage = model.name, model.small, model.continues, model.usage
        self.start, self.prime, self.forget, self.close = model.start, model.prime, model.forget, model.close

    async def stream(
        self, messages: Sequence[Message], max_tokens: int, used: Usage | None = None
    ) -> AsyncGenerator[str, None]:
        """See `LanguageModel`. The wait for a place counts as the model's silence."""
        async with (
            self._gate.pass_(TENANT.get()),
            contextlib.aclosing(self._model.stream(messages, max_tokens, used)) as pieces,
        ):
            async for piece in pieces:
                yield piece
