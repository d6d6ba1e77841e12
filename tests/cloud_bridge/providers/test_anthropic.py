"""Contract with Anthropic's Messages format, against a local server. Not run against the live service."""

from __future__ import annotations

import json

import pytest

from cloud_bridge.errors import ProviderBusy, ProviderError, ProviderRefused
from cloud_bridge.providers.anthropic import Anthropic
from cloud_bridge.providers.base import Call, Message, Offered
from tests.cloud_bridge.providers.servers import EVENTS, JSON, anthropic_calls, anthropic_events, server

WORDS = ["I ", "hear ", "you."]
CHAT = [Message("system", "Be kind."), Message("user", "Hello.")]
WEATHER = Offered("get_weather", "How it is.", {"type": "object", "properties": {"city": {"type": "string"}}})


async def collect(model: Anthropic) -> list[str]:
    try:
        return [piece async for piece in model.stream(CHAT, 60)]
    finally:
        await model.close()


async def test_the_vendors_own_client_reads_the_local_server() -> None:
    """The server of these tests speaks the format: the official client agrees."""
    anthropic = pytest.importorskip("anthropic")
    async with server(lambda _: (200, EVENTS, anthropic_events(WORDS))) as seen:  # noqa: SIM117
        async with anthropic.AsyncAnthropic(base_url=seen.url, api_key="k") as client:
            chat = [{"role": "user", "content": "x"}]
            async with client.messages.stream(model="m", max_tokens=9, messages=chat) as stream:
                assert [text async for text in stream.text_stream] == WORDS
    assert seen.paths == ["/v1/messages"]


async def test_it_streams_and_counts() -> None:
    """Pieces come as sent; the system prompt stands apart and is marked for the cache; tokens are counted."""
    async with server(lambda _: (200, EVENTS, anthropic_events(WORDS))) as seen:
        model = Anthropic("m", seen.url, "secret")
        assert await collect(model) == WORDS
    assert seen.paths == ["/v1/messages"]
    assert seen.headers[0]["x-api-key"] == "secret"
    assert seen.headers[0]["anthropic-version"] == "2023-06-01"
    body = seen.bodies[0]
    assert body["system"][0]["text"] == "Be kind."
    assert body["system"][0]["cache_control"] == {"type": "ephemeral"}
    assert body["messages"] == [{"role": "user", "content": "Hello."}]
    assert (model.usage.input_tokens, model.usage.cached_tokens, model.usage.output_tokens) == (42, 30, 3)


async def test_a_refusal_names_its_reason() -> None:
    """A wrong key is told as the vendor tells it, without a second try."""
    body = {"type": "error", "error": {"type": "authentication_error", "message": "invalid x-api-key"}}
    async with server(lambda _: (401, JSON, [json.dumps(body).encode()])) as seen:
        with pytest.raises(ProviderRefused, match="invalid x-api-key"):
            await collect(Anthropic("m", seen.url))
    assert len(seen.paths) == 1


async def test_overloaded_is_tried_once_more() -> None:
    """529 is Anthropic's own "too busy"."""
    async with server(
        lambda n: (200, EVENTS, anthropic_events(WORDS)) if n == 2 else (529, {**JSON, "retry-after": "0"}, [b"{}"])
    ) as seen:
        assert await collect(Anthropic("m", seen.url)) == WORDS


@pytest.mark.parametrize(("kind", "error"), [("overloaded_error", ProviderBusy), ("api_error", ProviderError)])
async def test_an_error_within_the_stream(kind: str, error: type[ProviderError]) -> None:
    """A stream may end in an error after 200: half an answer is never taken for a whole one. What the vendor says of it
    may quote the person, and is not told on."""
    data = json.dumps({"type": "error", "error": {"type": kind, "message": "You said hello."}})
    parts = [*anthropic_events(WORDS)[:4], f"event: error\ndata: {data}\n\n".encode()]
    async with server(lambda _: (200, EVENTS, parts)) as seen:
        with pytest.raises(error, match=f"broke off: {kind}$"):
            await collect(Anthropic("m", seen.url))


async def test_an_end_without_a_stop_is_an_error() -> None:
    """A connection that ends before `message_stop` has lost something."""
    async with server(lambda _: (200, EVENTS, anthropic_events(WORDS)[:-3])) as seen:
        with pytest.raises(ProviderBusy, match="before its end"):
            await collect(Anthropic("m", seen.url))


async def test_a_call_is_read_as_the_vendors_own_client_reads_it() -> None:
    """The input comes in bits, in a block of its own after the text; it is whole when its block ends."""
    anthropic = pytest.importorskip("anthropic")
    calls = anthropic_calls("get_weather", '{"ci', 'ty": "Rome"}')
    async with server(lambda _: (200, EVENTS, calls)) as seen:
        model = Anthropic("m", seen.url)
        found = [piece async for piece in model.consult(CHAT, [WEATHER], [], 60)]
        await model.close()
        async with anthropic.AsyncAnthropic(base_url=seen.url, api_key="k") as client:
            tools = seen.bodies[0]["tools"]
            asked = client.messages.stream(model="m", max_tokens=9, messages=[], tools=tools)
            async with asked as stream:
                block = (await stream.get_final_message()).content[1]
    assert found == ["Wait.", Call("toolu_1", "get_weather", '{"city": "Rome"}')]
    assert (block.id, block.name, block.input) == ("toolu_1", "get_weather", {"city": "Rome"})
    assert seen.bodies[0]["tools"] == [
        {"name": "get_weather", "description": "How it is.", "input_schema": WEATHER.parameters}
    ]
    assert seen.bodies[0]["tool_choice"] == {"type": "auto"}


async def test_results_go_back_beside_their_calls() -> None:
    """A call is the assistant's block, its result the user's, by the same id; a broken input goes back empty, and the
    tools stay in the request, for a chat that holds calls is refused without them."""
    rounds = [[(Call("a", "get_weather", '{"city": "Rome"}'), "It rains."), (Call("b", "get_weather", "{"), "error")]]
    async with server(lambda _: (200, EVENTS, anthropic_events(WORDS))) as seen:
        model = Anthropic("m", seen.url)
        async for _ in model.consult(CHAT, [WEATHER], rounds, 60, may_call=False):
            pass
        await model.close()
    made, told = seen.bodies[0]["messages"][-2:]
    assert made["role"] == "assistant"
    assert [(one["type"], one["id"], one["input"]) for one in made["content"]] == [
        ("tool_use", "a", {"city": "Rome"}),
        ("tool_use", "b", {}),
    ]
    assert told == {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "a", "content": "It rains."},
            {"type": "tool_result", "tool_use_id": "b", "content": "error"},
        ],
    }
    assert seen.bodies[0]["tool_choice"] == {"type": "none"}
    assert seen.bodies[0]["tools"]


async def test_a_refusal_does_not_quote_what_was_said() -> None:
    """What is wrong with a request is told by its kind alone; and a count that is told twice counts once."""
    body = {"type": "error", "error": {"type": "invalid_request_error", "message": "Blocked: 'I love Anna'"}}
    async with server(lambda _: (400, JSON, [json.dumps(body).encode()])) as seen:
        with pytest.raises(ProviderRefused, match=r"400: invalid_request_error$"):
            await collect(Anthropic("m", seen.url))
    events = anthropic_events(WORDS)
    async with server(lambda _: (200, EVENTS, [*events[:-1], events[-2], events[-1]])) as seen:
        model = Anthropic("m", seen.url)
        await collect(model)
    assert model.usage.output_tokens == len(WORDS)
