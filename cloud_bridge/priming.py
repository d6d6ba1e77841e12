"""Reading ahead: a model of this machine reads what a question will begin with while nobody waits for it."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from cloud_bridge import planning
from cloud_bridge.ending import end
from cloud_bridge.errors import BridgeError
from cloud_bridge.providers.base import LanguageModel
from cloud_bridge.sessions import Session


class Priming:
    """Of one model, for one session at a time: the model has one place for what it read."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, session: Session) -> None:
        """Read what the next question of `session` will begin with; not while an answer is made, or another is read."""
        if not self._model.continues or session.answer is not None or self._tasks:
            return
        chat = planning.beginning(session)

        async def prime() -> None:
            with suppress(BridgeError):  # the answer itself will meet the same trouble, and tell it
                await self._model.prime(chat)

        task = asyncio.create_task(prime(), name="prime")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def give_way(self) -> None:
        """Somebody waits for an answer, who goes first. What was read so far stays."""
        for task in self._tasks:
            task.cancel()

    async def stop(self) -> None:
        """End what is being read; it may hold what was said before."""
        await end(self._tasks)
