"""Any server that speaks OpenAI's chat completions: OpenAI itself, vLLM, Ollama, llama.cpp's server …

Format: POST {base}/chat/completions with `stream`, server-sent `chat.completion.chunk` objects, then `[DONE]`.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from cloud_bridge.errors import ProviderBusy, ProviderError
from cloud_bridge.providers import sse
from cloud_bridge.providers.base import Message, Usage

DEFAULT_URL = "https://api.openai.com/v1"


class OpenAI:
    """A chat model behind OpenAI's format."""

    def __init__(
        self,
        model: str,
        base_url: str = DEFAULT_URL,
        key: str | None = None,
        *,
        small: bool = False,
        silence_s: float = sse.SILENCE_S,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = f"{model} at {base_url}"
        self.small = small
        self.continues = False
        self.usage = Usage()
        self._model = model
        self._extra = dict(extra or {})
        self.http = sse.client(base_url, {"Authorization": f"Bearer {key}"} if key else {}, silence_s)

    async def start(self) -> None:
        """Nothing to load; the connection opens with the first request."""

    async def prime(self, messages: Sequence[Message], *, lasting: bool = False) -> None:
        """Nothing: the vendor keeps its own cache, and bills."""

    async def stream(
        self, messages: Sequence[Message], max_tokens: int, used: Usage | None = None
    ) -> AsyncGenerator[str, None]:
        """Pieces of the answer as they come."""
        chat = [{"role": message.role, "content": message.text} for message in messages]
        async with contextlib.aclosing(self.deltas(chat, max_tokens, used)) as deltas:
            async for delta in deltas:
                if text := delta.get("content"):
                    yield text

    async def deltas(
        self, chat: Sequence[Mapping[str, Any]], max_tokens: int, used: Usage | None = None, **more: Any
    ) -> AsyncGenerator[dict[str, Any], None]:
        """What the server adds to its message, as it comes; `chat` and `more` (tools …) in OpenAI's format."""
        body = {
            "model": self._model,
            "messages": list(chat),
            "max_tokens": max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
            **self._extra,
            **more,
        }
        whole = False
        with sse.billed(self.usage, used) as bill:
            async with sse.posted(self.http, "chat/completions", body, self.name) as answer:
                async for _, data in sse.events(answer):
                    if data == "[DONE]":
                        whole = True
                        break
                    chunk = sse.parsed(data, self.name)
                    if error := chunk.get("error"):
                        raise ProviderError(f"{self.name} broke off: {str(error)[:200]}")
                    if usage := chunk.get("usage"):
                        _count(bill, usage)
                    for choice in chunk.get("choices") or []:
                        if delta := choice.get("delta"):
                            yield delta
                        whole = whole or choice.get("finish_reason") is not None
            if not whole:
                raise ProviderBusy(f"{self.name} ended before its end")

    async def forget(self) -> None:
        """Nothing is kept here; what the vendor keeps, only the vendor can erase."""

    async def close(self) -> None:
        """Close the connections."""
        await self.http.aclose()


def _count(bill: Usage, usage: Mapping[str, Any]) -> None:
    bill.unknown = 0
    bill.input_tokens += usage.get("prompt_tokens") or 0
    bill.output_tokens += usage.get("completion_tokens") or 0
    bill.cached_tokens += (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
