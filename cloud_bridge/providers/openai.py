"""Any server that speaks OpenAI's chat completions: OpenAI itself, vLLM, Ollama, llama.cpp's server …

Format: POST {base}/chat/completions with `stream`, server-sent `chat.completion.chunk` objects, then `[DONE]`.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from cloud_bridge.errors import ProviderBusy, ProviderError
from cloud_bridge.providers import sse
from cloud_bridge.providers.base import Call, Message, Offered, Round, Usage

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
        # OpenAI's newer models refuse the older name; many servers of the format know no other.
        self._limit = "max_completion_tokens" if base_url == DEFAULT_URL else "max_tokens"
        self._extra = dict(extra or {})
        self.http = sse.client(base_url, {"Authorization": f"Bearer {key}"} if key else {}, silence_s)

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
        body: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": message.role, "content": message.text} for message in messages],
            self._limit: max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
            **self._extra,
        }
        for one in rounds:
            body["messages"] += _told(one)
        if offered and may_call:
            body["tools"] = [_shown(one) for one in offered]
        calls: dict[int, dict[str, str]] = {}
        async with contextlib.aclosing(self._deltas(body, used)) as deltas:
            async for delta in deltas:
                if text := delta.get("content"):
                    yield text
                _gather(calls, delta.get("tool_calls") or [])
        for call in calls.values():
            yield Call(**call)

    async def _deltas(self, body: Mapping[str, Any], used: Usage | None) -> AsyncGenerator[dict[str, Any], None]:
        """What the server adds to its message, as it comes."""
        whole = False
        with sse.billed(self.usage, used) as bill:
            async with sse.posted(self.http, "chat/completions", body, self.name) as answer:
                events = sse.events(answer)
                async for _, data in events:
                    if data == "[DONE]":
                        whole = True
                        await sse.rest(events)
                        break
                    chunk = sse.parsed(data, self.name)
                    if "error" in chunk:
                        raise ProviderError(f"{self.name} broke off: {sse.reason(chunk)}")
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


def _shown(tool: Offered) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    return {"type": "function", "function": function}


def _told(calls: Round) -> list[dict[str, Any]]:
    """The calls of one round as the model's own message, and their results."""
    made = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments or "{}"}}
        for call, _ in calls
    ]
    results = [{"role": "tool", "tool_call_id": call.id, "content": text} for call, text in calls]
    return [{"role": "assistant", "content": None, "tool_calls": made}, *results]


def _gather(calls: dict[int, dict[str, str]], pieces: Sequence[Mapping[str, Any]]) -> None:
    """A call comes in pieces: its name first, its arguments bit by bit."""
    for piece in pieces:
        call = calls.setdefault(int(piece.get("index", 0)), {"id": "", "name": "", "arguments": ""})
        function = piece.get("function") or {}
        call["id"] = piece.get("id") or call["id"]
        call["name"] = function.get("name") or call["name"]
        call["arguments"] += function.get("arguments") or ""
