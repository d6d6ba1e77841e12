"""What the model writes for one answer, cut into sentences that may be said."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from cloud_bridge import guard, prompt
from cloud_bridge.errors import ModelAbsent, ProviderError, without_content
from cloud_bridge.plan import Plan, Tools
from cloud_bridge.providers.base import Usage
from cloud_bridge.sentences import Sentences

_log = logging.getLogger(__name__)

_ENDS = (".", "!", "?", "…")
_MOST_CHARACTERS = 12 * prompt.ANSWER_TOKENS  # of one answer: some servers know no limit


class Thought:
    """`run` once. `mark` is told each stage's name as it is reached; what the model took is counted in `used`."""

    def __init__(self, plan: Plan, tools: Tools, used: Usage, mark: Callable[[str], None]) -> None:
        self.pieces = 0  # of the model's text, which are about its tokens
        self.failed = False  # the model gave an error
        self._plan, self._tools, self._used, self._mark = plan, tools, used, mark

    async def run(self, out: asyncio.Queue[str | Exception | None]) -> None:
        """Put sentences into `out`, then None, or the error that ended them."""
        model, breaker = self._tools.model, self._tools.breaker
        if not self._plan.messages:
            await self._close(out)
            return
        cutter = Sentences(eager=True)
        count, most, said, written = 0, self._plan.tone.sentences, 0, 0
        last = ""
        try:
            if not breaker.closed():
                raise ProviderError(f"{model.name} failed several times and rests for a moment")
            self._mark("model_asked")
            stream = model.stream(self._plan.messages, prompt.ANSWER_TOKENS, self._used)
            async with contextlib.aclosing(stream) as pieces:
                async for piece in pieces:
                    self._mark("model_first")
                    self.pieces += 1
                    written += len(piece)
                    for sentence in cutter.feed(piece):
                        last = sentence
                        count += sentence.endswith(_ENDS)  # a clause that left early is not counted
                        said += await self._say(sentence, out)
                        if count >= most:
                            break
                    if count >= most or written > _MOST_CHARACTERS:
                        break
            rest = cutter.flush() if count < most else []
            for last in rest:
                # A sentence that the token limit cut off is said only where there is no other, or it was begun.
                if last.endswith(_ENDS) or count == 0:
                    said += await self._say(last, out)
            if not last:
                raise ProviderError(f"{model.name} gave an empty answer")
            if not said and not self._plan.closing:  # all that it wrote was refused
                await out.put(self._plan.tone.fallback)
            breaker.good()
            await self._close(out)
        except (ProviderError, ModelAbsent) as error:
            self.failed = True
            breaker.bad()
            await out.put(error)
        except Exception as error:
            self.failed = True
            breaker.bad()
            _log.error("%s broke: %s", model.name, without_content(error))
            await out.put(ProviderError(f"{model.name} broke: {type(error).__name__}"))
        self._mark("model_done")

    async def _say(self, sentence: str, out: asyncio.Queue[str | Exception | None]) -> bool:
        """Pass a sentence of the model on, unless it may not be said."""
        if self._tools.model.small and guard.refuses(sentence, self._plan.words):
            return False
        self._mark("model_sentence")
        await out.put(sentence)
        return True

    async def _close(self, out: asyncio.Queue[str | Exception | None]) -> None:
        if self._plan.closing:
            await out.put(self._plan.closing)
        await out.put(None)
