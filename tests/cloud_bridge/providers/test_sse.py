"""What both formats of server-sent events share: connections that stay warm."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cloud_bridge.providers.anthropic import Anthropic
from cloud_bridge.providers.base import Message
from cloud_bridge.providers.openai import OpenAI
from tests.cloud_bridge.providers.servers import EVENTS, anthropic_events, openai_chunks, server
from tests.sim.wait import soon

WORDS = ["I ", "hear ", "you."]
CHAT = [Message("user", "Hello.")]
Parts = Callable[[list[str]], list[bytes | float]]
BOTH = pytest.mark.parametrize(("kind", "parts"), [(OpenAI, openai_chunks), (Anthropic, anthropic_events)])


@BOTH
async def test_answers_one_after_the_other_need_one_connection(kind: type[OpenAI | Anthropic], parts: Parts) -> None:
    """Each new one would cost the person who waits the handshakes of TCP and TLS."""
    async with server(lambda _: (200, EVENTS, parts(WORDS))) as seen:
        model = kind("m", seen.url, "k")
        for _ in range(4):
            assert [piece async for piece in model.stream(CHAT, 60)] == WORDS
        assert (len(seen.paths), seen.connections) == (4, 1)
        await model.close()


@BOTH
async def test_a_server_that_says_all_and_does_not_end_is_left(kind: type[OpenAI | Anthropic], parts: Parts) -> None:
    """The answer is whole, and is not held up for it."""
    async with server(lambda _: (200, EVENTS, [*parts(WORDS), 30.0])) as seen:
        model = kind("m", seen.url, "k")
        assert [piece async for piece in model.stream(CHAT, 60)] == WORDS
        await soon(lambda: seen.hung_up)
        assert model.usage.failures == 0
        await model.close()
