"""Anthropic's Messages API.

Format: POST {base}/v1/messages with `stream`; events `message_start`, `content_block_delta` (`text_delta`),
`message_delta` (usage), `message_stop`, `error`, `ping`. The system prompt is marked for prompt caching.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from cloud_bridge.errors import ProviderBusy, ProviderError
from cloud_bridge.providers import sse
from cloud_bridge.providers.base import Message, Usage

DEFAULT_URL = "https://api.anthropic.com"
VERSION = "2023-06-01"


class Anthropic:
    """A Claude model behind the Messages API."""

    small = False
    continues = False

    def __init__(self, model: str, base_url: str = DEFAULT_URL, key: str | None = None) -> None:
        self.name = f"{model} at {base_url}"
        self.usage = Usage()
        self._model = model
        headers = {"anthropic-version": VERSION} | ({"x-api-key": key} if key else {})
        self._http = sse.client(base_url, headers)

    async def start(self) -> None:
        """Nothing to load; the connection opens with the first request."""

    async def prime(self, messages: Sequence[Message], *, lasting: bool = False) -> None:
        """Nothing: the vendor keeps its own cache, and bills."""

    async def stream(
        self, messages: Sequence[Message], max_tokens: int, used: Usage | None = None
    ) -> AsyncGenerator[str, None]:
        """Pieces of the answer as they come."""
        system = "\n\n".join(message.text for message in messages if message.role == "system")
        body = {
            "model": self._model,
            "max_tokens": max_tokens,
            "stream": True,
            "system": [{"type": "text", "text": system, "cache_control": {"type": "ephemeral"}}],
            "messages": [
                {"role": message.role, "content": message.text} for message in messages if message.role != "system"
            ],
        }
        with sse.billed(self.usage, used) as bill:
            async with sse.posted(self._http, "v1/messages", body, self.name) as answer:
                async for name, data in sse.events(answer):
                    event = sse.parsed(data, self.name)
                    match name:
                        case "content_block_delta":
                            if text := (event.get("delta") or {}).get("text"):
                                yield text
                        case "message_start":
                            _count(bill, (event.get("message") or {}).get("usage") or {})
                        case "message_delta":  # its count is cumulative
                            bill.output_tokens += (event.get("usage") or {}).get("output_tokens") or 0
                        case "error":
                            error = event.get("error") or {}
                            kind = ProviderBusy if error.get("type") == "overloaded_error" else ProviderError
                            raise kind(f"{self.name} broke off: {str(error.get('message', ''))[:200]}")
                        case "message_stop":
                            return
            raise ProviderBusy(f"{self.name} ended before its end")

    async def forget(self) -> None:
        """Nothing is kept here; what the vendor keeps, only the vendor can erase."""

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()


def _count(bill: Usage, usage: Mapping[str, Any]) -> None:
    bill.unknown = 0
    cached = usage.get("cache_read_input_tokens") or 0
    bill.cached_tokens += cached
    bill.input_tokens += (usage.get("input_tokens") or 0) + cached + (usage.get("cache_creation_input_tokens") or 0)
