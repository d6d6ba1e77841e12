"""Anthropic's Messages API.

Format: POST {base}/v1/messages with `stream`; events `message_start`, `content_block_start` (`text`, `tool_use`),
`content_block_delta` (`text_delta`, `input_json_delta`), `content_block_stop`, `message_delta` (usage), `message_stop`,
`error`, `ping`. The system prompt is marked for prompt caching, and the tools before it are cached with it.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from cloud_bridge.errors import ProviderBusy, ProviderError
from cloud_bridge.providers import sse
from cloud_bridge.providers.base import Call, Message, Offered, Round, Usage

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

    async def prime(
        self, messages: Sequence[Message], *, lasting: bool = False, offered: Sequence[Offered] = ()
    ) -> None:
        """Nothing: the vendor keeps its own cache, and bills."""

    async def stream(
        self, messages: Sequence[Message], max_tokens: int, used: Usage | None = None
    ) -> AsyncGenerator[str, None]:
        """Pieces of the answer as they come."""
        async with contextlib.aclosing(self.consult(messages, (), (), max_tokens, used)) as pieces:
            async for piece in pieces:
                if isinstance(piece, str):
                    yield piece

    async def consult(
        self,
        messages: Sequence[Message],
        offered: Sequence[Offered],
        rounds: Sequence[Round],
        max_tokens: int,
        used: Usage | None = None,
        *,
        may_call: bool = True,
    ) -> AsyncGenerator[str | Call, None]:
        """See `ToolUser`."""
        system = "\n\n".join(message.text for message in messages if message.role == "system")
        chat: list[dict[str, Any]] = [
            {"role": message.role, "content": message.text} for message in messages if message.role != "system"
        ]
        for one in rounds:
            chat += _told(one)
        body: dict[str, Any] = {
            "model": self._model,
            "max_tokens": max_tokens,
            "stream": True,
            "system": [{"type": "text", "text": system, "cache_control": {"type": "ephemeral"}}],
            "messages": chat,
        }
        if offered:  # a chat that holds calls is refused without them, so they stay where none may be called any more
            body["tools"] = [_shown(one) for one in offered]
            body["tool_choice"] = {"type": "auto" if may_call else "none"}
        with sse.billed(self.usage, used) as bill:
            async with sse.posted(self._http, "v1/messages", body, self.name) as answer:
                call: dict[str, str] | None = None  # blocks come one after the other
                events = sse.events(answer)
                async for name, data in events:
                    event = sse.parsed(data, self.name)
                    match name:
                        case "content_block_start":
                            block = event.get("content_block") or {}
                            if block.get("type") == "tool_use":
                                call = {"id": block.get("id") or "", "name": block.get("name") or "", "arguments": ""}
                        case "content_block_delta":
                            delta = event.get("delta") or {}
                            if text := delta.get("text"):
                                yield text
                            if call is not None:
                                call["arguments"] += delta.get("partial_json") or ""
                        case "content_block_stop" if call is not None:
                            yield Call(**call)
                            call = None
                        case "message_start":
                            _count(bill, (event.get("message") or {}).get("usage") or {})
                        case "message_delta":  # its count is cumulative
                            bill.output_tokens = (event.get("usage") or {}).get("output_tokens") or bill.output_tokens
                        case "error":
                            reason = sse.reason(event)
                            kind = ProviderBusy if reason == "overloaded_error" else ProviderError
                            raise kind(f"{self.name} broke off: {reason}")
                        case "message_stop":
                            await sse.rest(events)
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


def _shown(tool: Offered) -> dict[str, Any]:
    return {"name": tool.name, "description": tool.description, "input_schema": dict(tool.parameters)}


def _told(calls: Round) -> list[dict[str, Any]]:
    """The calls of one round as the model's own message, and their results as the user's."""
    made = [{"type": "tool_use", "id": call.id, "name": call.name, "input": _object(call)} for call, _ in calls]
    results = [{"type": "tool_result", "tool_use_id": call.id, "content": text} for call, text in calls]
    return [{"role": "assistant", "content": made}, {"role": "user", "content": results}]


def _object(call: Call) -> dict[str, Any]:
    """The arguments as an object, which the format asks for; a broken one was told as such in the result."""
    with contextlib.suppress(ValueError):
        if isinstance(found := json.loads(call.arguments or "{}"), dict):
            return found
    return {}
