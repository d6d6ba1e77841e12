"""A language model that may look things up: tools of other MCP servers, offered in OpenAI's format.

Only tools that the settings allow for answers, and that their server marks as reading only: an answer may be begun
before the turn is over and thrown away, so nothing that it calls may change anything.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from mcp.types import Tool

from cloud_bridge.fleet.fair import TENANT
from cloud_bridge.mcp.others import CallFailed, Other, Others
from cloud_bridge.providers.base import Message, Usage
from cloud_bridge.providers.openai import OpenAI

log = logging.getLogger(__name__)

_ROUNDS = 2  # of calls; then the model has to answer
_CALLS = 4  # of one round


class ToolModel:
    """`model`, with the tools that `others` offer. A `LanguageModel`."""

    def __init__(self, model: OpenAI, others: Others) -> None:
        self._model, self._others = model, others
        self.name, self.small, self.continues, self.usage = model.name, model.small, model.continues, model.usage
        self.start, self.prime, self.forget, self.close = model.start, model.prime, model.forget, model.close

    async def stream(
        self, messages: Sequence[Message], max_tokens: int, used: Usage | None = None
    ) -> AsyncGenerator[str, None]:
        """See `LanguageModel`. What a tool says goes to the model as a tool's words, never as ours."""
        offered = {f"{server.name}__{tool.name}": (server, tool) for server, tool in self._others.offered(TENANT.get())}
        chat: list[dict[str, Any]] = [{"role": one.role, "content": one.text} for one in messages]
        for left in range(_ROUNDS, -1, -1):
            calls: dict[int, dict[str, str]] = {}
            more = {"tools": [_shown(name, tool) for name, (_, tool) in offered.items()]} if offered and left else {}
            async with contextlib.aclosing(self._model.deltas(chat, max_tokens, used, **more)) as deltas:
                async for delta in deltas:
                    if text := delta.get("content"):
                        yield text
                    _gather(calls, delta.get("tool_calls") or [])
            if not calls or not left:
                return
            chat += await self._called(list(calls.values())[:_CALLS], offered)

    async def _called(
        self, calls: Sequence[dict[str, str]], offered: dict[str, tuple[Other, Tool]]
    ) -> list[dict[str, Any]]:
        """The calls and their results, as the next request tells them."""
        told: list[dict[str, Any]] = [
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": one["id"],
                        "type": "function",
                        "function": {"name": one["name"], "arguments": one["arguments"]},
                    }
                    for one in calls
                ],
            }
        ]
        for one in calls:
            told.append({"role": "tool", "tool_call_id": one["id"], "content": await self._result(one, offered)})
        return told

    async def _result(self, call: dict[str, str], offered: dict[str, tuple[Other, Tool]]) -> str:
        if call["name"] not in offered:
            return "error: there is no such tool"
        server, tool = offered[call["name"]]
        try:
            arguments = json.loads(call["arguments"] or "{}")
            if not isinstance(arguments, dict):
                return "error: the arguments are no object"
            return await server.call(tool.name, arguments)
        except ValueError:
            return "error: the arguments are no JSON"
        except CallFailed as error:
            log.warning("an answer's call: %s", error)
            return "error: the tool gave no result"


def _gather(calls: dict[int, dict[str, str]], pieces: Sequence[dict[str, Any]]) -> None:
    """A call comes in pieces: its name first, its arguments bit by bit."""
    for piece in pieces:
        call = calls.setdefault(int(piece.get("index", 0)), {"id": "", "name": "", "arguments": ""})
        function = piece.get("function") or {}
        call["id"] = piece.get("id") or call["id"]
        call["name"] = function.get("name") or call["name"]
        call["arguments"] += function.get("arguments") or ""


def _shown(name: str, tool: Tool) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {"name": name, "description": (tool.description or "")[:400], "parameters": tool.input_schema},
    }
