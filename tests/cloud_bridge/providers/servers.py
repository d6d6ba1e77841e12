"""Local servers that speak the documented streaming formats; the vendors' own clients read them in the tests, too."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

Script = Callable[[int], tuple[int, dict[str, str], list[bytes | float]]]
"""From the number of the request (1, 2 …) to status, headers, and what is sent: bytes, or a wait in seconds."""


@dataclass
class Seen:
    url: str = ""
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    connections: int = 0
    hung_up: int = 0  # clients that left before the end


@asynccontextmanager
async def server(script: Script) -> AsyncIterator[Seen]:
    """A server on a free port of this machine that answers each POST as `script` tells."""
    seen = Seen()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode().split("\r\n")
                headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines if line)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                seen.paths.append(first.split()[1])
                seen.headers.append(headers)
                seen.bodies.append(json.loads(body))
                status, extra, parts = script(len(seen.paths))
                extra = {"transfer-encoding": "chunked", **extra}
                top = "".join(f"{name}: {value}\r\n" for name, value in extra.items())
                writer.write(f"HTTP/1.1 {status} X\r\n{top}\r\n".encode())
                for part in parts:
                    if isinstance(part, float):
                        gone = asyncio.create_task(reader.read(1))
                        await asyncio.wait([gone], timeout=part)
                        if gone.done():
                            seen.hung_up += 1
                            return
                        gone.cancel()
                        await asyncio.gather(gone, return_exceptions=True)
                    elif part == b"CUT":
                        return
                    else:
                        writer.write(b"%x\r\n%s\r\n" % (len(part), part))
                        await writer.drain()
                writer.write(b"0\r\n\r\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    seen.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield seen
    finally:
        listening.close()


EVENTS = {"content-type": "text/event-stream"}
JSON = {"content-type": "application/json"}


def openai_chunks(words: list[str], *, usage: bool = True) -> list[bytes | float]:
    """A `chat.completion.chunk` stream as OpenAI's reference documents it."""

    def chunk(**more: Any) -> bytes:
        base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        return f"data: {json.dumps({**base, **more})}\n\n".encode()

    def choice(delta: dict[str, str], end: str | None = None) -> dict[str, Any]:
        return {"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": end}]}

    parts: list[bytes | float] = [chunk(**choice({"role": "assistant", "content": ""}))]
    parts += [chunk(**choice({"content": word})) for word in words]
    parts.append(chunk(**choice({}, "stop")))
    if usage:
        count = {"prompt_tokens": 40, "completion_tokens": len(words), "total_tokens": 40 + len(words)}
        parts.append(chunk(choices=[], usage={**count, "prompt_tokens_details": {"cached_tokens": 32}}))
    return [*parts, b"data: [DONE]\n\n"]


def anthropic_events(words: list[str]) -> list[bytes | float]:
    """A Messages stream as Anthropic's reference documents it."""

    def event(kind: str, **more: Any) -> bytes:
        return f"event: {kind}\ndata: {json.dumps({'type': kind, **more})}\n\n".encode()

    message = {"id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": "m"}
    usage = {"input_tokens": 10, "cache_read_input_tokens": 30, "cache_creation_input_tokens": 2, "output_tokens": 1}
    return [
        event("message_start", message={**message, "stop_reason": None, "stop_sequence": None, "usage": usage}),
        event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        event("ping"),
        *(event("content_block_delta", index=0, delta={"type": "text_delta", "text": word}) for word in words),
        event("content_block_stop", index=0),
        event(
            "message_delta",
            delta={"stop_reason": "end_turn", "stop_sequence": None},
            usage={"output_tokens": len(words)},
        ),
        event("message_stop"),
    ]


def openai_calls(name: str, *arguments: str) -> list[bytes | float]:
    """A stream that ends in a call: its name first, then its arguments bit by bit."""

    def chunk(delta: dict[str, Any], end: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": end}
        base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        return f"data: {json.dumps({**base, 'choices': [choice]})}\n\n".encode()

    first = {"index": 0, "id": "call_1", "type": "function", "function": {"name": name, "arguments": ""}}
    rest = ({"index": 0, "function": {"arguments": part}} for part in arguments)
    return [
        chunk({"role": "assistant", "content": None}),
        *(chunk({"tool_calls": [one]}) for one in (first, *rest)),
        chunk({}, "tool_calls"),
        b"data: [DONE]\n\n",
    ]


def anthropic_calls(name: str, *arguments: str) -> list[bytes | float]:
    """A Messages stream that says something and then calls: the call is a block of its own, its input comes in bits."""

    def event(kind: str, **more: Any) -> bytes:
        return f"event: {kind}\ndata: {json.dumps({'type': kind, **more})}\n\n".encode()

    block = {"type": "tool_use", "id": "toolu_1", "name": name, "input": {}}
    bits = [{"type": "input_json_delta", "partial_json": part} for part in ("", *arguments)]
    end = {"stop_reason": "tool_use", "stop_sequence": None}
    return [
        *anthropic_events(["Wait."])[:-2],
        event("content_block_start", index=1, content_block=block),
        *(event("content_block_delta", index=1, delta=bit) for bit in bits),
        event("content_block_stop", index=1),
        event("message_delta", delta=end, usage={"output_tokens": 20}),
        event("message_stop"),
    ]
