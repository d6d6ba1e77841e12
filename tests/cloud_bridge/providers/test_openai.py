"""Contract with OpenAI's chat format, against a local server that speaks it. Not run against the live service."""

from __future__ import annotations

import pytest

from cloud_bridge.errors import ProviderBusy, ProviderError, ProviderRefused
from cloud_bridge.providers.base import Call, Message, Offered
from cloud_bridge.providers.openai import OpenAI
from tests.cloud_bridge.providers.servers import EVENTS, JSON, openai_calls, openai_chunks, server
from tests.sim.wait import soon

WORDS = ["I ", "hear ", "you, ", "München."]
CHAT = [Message("system", "Be kind."), Message("user", "Hello.")]


async def collect(model: OpenAI) -> list[str]:
    try:
        return [piece async for piece in model.stream(CHAT, 60)]
    finally:
        await model.close()


async def test_the_vendors_own_client_reads_the_local_server() -> None:
    """The server of these tests speaks the format: the official client agrees."""
    openai = pytest.importorskip("openai")
    async with server(lambda _: (200, EVENTS, openai_chunks(WORDS))) as seen:  # noqa: SIM117
        async with openai.AsyncOpenAI(base_url=seen.url, api_key="k") as client:
            stream = await client.chat.completions.create(
                model="m",
                messages=[{"role": "user", "content": "x"}],
                stream=True,
                stream_options={"include_usage": True},
            )
            chunks = [chunk async for chunk in stream]
    assert [c.choices[0].delta.content for c in chunks if c.choices and c.choices[0].delta.content] == WORDS
    assert chunks[-1].usage.completion_tokens == len(WORDS)


async def test_it_streams_and_counts() -> None:
    """Pieces come as sent; the request follows the format; tokens are counted."""
    async with server(lambda _: (200, EVENTS, openai_chunks(WORDS))) as seen:
        model = OpenAI("m", seen.url + "/v1", "secret")
        assert await collect(model) == WORDS
    assert seen.paths == ["/v1/chat/completions"]
    assert seen.headers[0]["authorization"] == "Bearer secret"
    body = seen.bodies[0]
    assert body["stream"] is True
    assert body["max_tokens"] == 60
    assert body["messages"][0] == {"role": "system", "content": "Be kind."}
    assert (model.usage.input_tokens, model.usage.cached_tokens, model.usage.output_tokens) == (40, 32, 4)


async def test_openai_itself_is_told_the_limit_by_its_newer_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its newer models refuse `max_tokens`."""
    async with server(lambda _: (200, EVENTS, openai_chunks(WORDS))) as seen:
        monkeypatch.setattr("cloud_bridge.providers.openai.DEFAULT_URL", seen.url)
        await collect(OpenAI("m", seen.url))
    assert seen.bodies[0]["max_completion_tokens"] == 60
    assert "max_tokens" not in seen.bodies[0]


async def test_events_may_be_cut_anywhere() -> None:
    """A network that cuts in the middle of a character changes nothing."""
    whole = b"".join(part for part in openai_chunks(WORDS) if isinstance(part, bytes))
    parts = [whole[at : at + 7] for at in range(0, len(whole), 7)]
    async with server(lambda _: (200, EVENTS, [b": a comment\n\n", *parts])) as seen:
        assert "".join(await collect(OpenAI("m", seen.url))) == "".join(WORDS)


async def test_a_server_without_usage_is_noticed() -> None:
    """No count is not a count of zero."""
    async with server(lambda _: (200, EVENTS, openai_chunks(WORDS, usage=False))) as seen:
        model = OpenAI("m", seen.url)
        await collect(model)
    assert model.usage.unknown == 1


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_busy_is_tried_once_more(status: int) -> None:
    """A refusal for now, before anything was said, is worth one more try."""
    async with server(
        lambda n: (200, EVENTS, openai_chunks(WORDS)) if n == 2 else (status, {**JSON, "retry-after": "0"}, [b"{}"])
    ) as seen:
        assert await collect(OpenAI("m", seen.url)) == WORDS


@pytest.mark.parametrize(
    ("status", "kind"), [(401, ProviderRefused), (404, ProviderRefused), (503, ProviderBusy), (429, ProviderBusy)]
)
async def test_a_refusal_names_its_reason(status: int, kind: type[ProviderError]) -> None:
    """The vendor's reason reaches the person who runs the bridge; the prompt does not."""
    body = b'{"error": {"message": "Incorrect API key", "type": "x"}}'
    async with server(lambda _: (status, {**JSON, "retry-after": "0"}, [body])) as seen:
        model = OpenAI("m", seen.url)
        with pytest.raises(kind, match="Incorrect API key") as caught:
            await collect(model)
    assert "Hello" not in str(caught.value)
    assert model.usage.failures == 1
    assert len(seen.paths) == (2 if kind is ProviderBusy else 1)


async def test_a_long_wait_is_not_waited() -> None:
    """A server that asks for a minute is left: the person is waiting."""
    async with server(lambda _: (429, {**JSON, "retry-after": "60"}, [b"{}"])) as seen:
        with pytest.raises(ProviderBusy, match="60 s"):
            await collect(OpenAI("m", seen.url))
    assert len(seen.paths) == 1


async def test_a_stream_that_breaks_is_an_error_not_an_end() -> None:
    """Half an answer is never taken for a whole one."""
    async with server(lambda _: (200, EVENTS, [*openai_chunks(WORDS)[:3], b"CUT"])) as seen:
        with pytest.raises(ProviderBusy, match="broke off"):
            await collect(OpenAI("m", seen.url))


async def test_an_end_without_a_finish_is_an_error() -> None:
    """A connection that closes politely in the middle has lost something all the same."""
    async with server(lambda _: (200, EVENTS, openai_chunks(WORDS)[:3])) as seen:
        with pytest.raises(ProviderBusy, match="before its end"):
            await collect(OpenAI("m", seen.url))


@pytest.mark.parametrize("data", [b"data: {nonsense\n\n", b"data: [1]\n\n", b'data: {"error": {"message": "no"}}\n\n'])
async def test_a_broken_event_is_an_error(data: bytes) -> None:
    """What is not the format is not guessed at."""
    async with server(lambda _: (200, EVENTS, [data])) as seen:
        with pytest.raises(ProviderError):
            await collect(OpenAI("m", seen.url))


async def test_silence_is_an_error() -> None:
    """A server that sends nothing is left after the set time."""
    async with server(lambda _: (200, EVENTS, [30.0])) as seen:
        with pytest.raises(ProviderBusy):
            await collect(OpenAI("m", seen.url, silence_s=0.2))


async def test_nobody_there() -> None:
    """An address where nothing listens is named."""
    with pytest.raises(ProviderBusy, match="cannot be reached"):
        await collect(OpenAI("m", "http://127.0.0.1:9"))


async def test_closing_hangs_up() -> None:
    """Barge-in: closing the stream ends the request, so that the server stops computing."""
    async with server(lambda _: (200, EVENTS, [*openai_chunks(WORDS)[:2], 30.0])) as seen:
        model = OpenAI("m", seen.url)
        stream = model.stream(CHAT, 60)
        assert await anext(stream) == "I "
        await stream.aclose()
        await soon(lambda: seen.hung_up)
        await model.close()


async def test_a_call_is_read_as_the_vendors_own_client_reads_it() -> None:
    """Its name comes first, its arguments bit by bit; it is whole when the stream ends. Results go back by its id."""
    openai = pytest.importorskip("openai")
    weather = Offered("get_weather", "How it is.", {"type": "object", "properties": {"city": {"type": "string"}}})
    calls = openai_calls("get_weather", '{"ci', 'ty": "Rome"}')
    async with server(lambda _: (200, EVENTS, calls)) as seen:
        model = OpenAI("m", seen.url)
        found = [piece async for piece in model.consult(CHAT, [weather], [], 60)]
        async for _ in model.consult(CHAT, [weather], [[(Call("c", "get_weather", ""), "It rains.")]], 60):
            pass
        await model.close()
        async with openai.AsyncOpenAI(base_url=seen.url, api_key="k") as client:
            tools = seen.bodies[0]["tools"]
            async with client.chat.completions.stream(model="m", messages=[], tools=tools) as stream:
                theirs = (await stream.get_final_completion()).choices[0].message.tool_calls[0]
    assert found == [Call("call_1", "get_weather", '{"city": "Rome"}')]
    assert (theirs.id, theirs.function.name, theirs.function.arguments) == ("call_1", "get_weather", '{"city": "Rome"}')
    made, told = seen.bodies[1]["messages"][-2:]
    assert made["tool_calls"] == [
        {"id": "c", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    ]
    assert told == {"role": "tool", "tool_call_id": "c", "content": "It rains."}
