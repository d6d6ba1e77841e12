"""The real, smallest local model, in its own process. Skips where its file or engine is not installed."""

from __future__ import annotations

import asyncio
import importlib.util
import os
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from cloud_bridge import prompt
from cloud_bridge.errors import ModelAbsent
from cloud_bridge.providers.base import Call, Message, Offered, Usage
from cloud_bridge.providers.llama import Llama
from cloud_bridge.providers.openai import OpenAI
from models import store
from models.errors import ModelError
from tests.cloud_bridge.providers.servers import EVENTS, openai_calls, openai_chunks, server

pytestmark = pytest.mark.skipif(importlib.util.find_spec("xllamacpp") is None, reason="xllamacpp is not installed")
CHAT = [Message("system", "Be kind."), Message("user", "Say hello."), Message("assistant", "Hello,")]


@pytest.fixture
async def llama(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Llama]:
    try:
        file = store.path("llm_tiny")
    except ModelError as error:
        pytest.skip(f"the model is not here: {error}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    model = Llama(file, threads=1)
    yield model
    await model.close()


async def test_it_goes_on_and_counts(llama: Llama) -> None:
    """It continues the words that it was given as its own, within the limit, and counts tokens."""
    text = "".join([piece async for piece in llama.stream(CHAT, 12)])
    assert text
    assert not text.lstrip().startswith("Hello,")
    assert 0 < llama.usage.output_tokens <= 12
    assert llama.usage.input_tokens > 5


async def test_a_primed_prompt_is_not_computed_again(llama: Llama, tmp_path: Path) -> None:
    """After `prime`, the answer computes only what is new; and so it is after a restart, from the disk. There a prompt
    that nobody has used for long makes room."""
    old = tmp_path / "mien" / "prompts" / "old.kv"
    old.parent.mkdir(parents=True)
    old.touch()
    os.truncate(old, 300_000_000)
    os.utime(old, (0, 0))
    question = prompt.messages((), "Hello.", "")
    fixed = prompt.fixed()
    for start in (1, 2):
        await llama.prime(fixed, lasting=True)
        if start == 2:
            break
        before = llama.usage.cached_tokens
        async for _ in llama.stream(question, 2):
            pass
        assert llama.usage.cached_tokens - before > 200
        assert [file.stem == "old" for file in old.parent.iterdir()] == [False]
        await llama.close()
    assert llama.usage.cached_tokens - before > 400


async def test_a_connection_that_closes_as_it_is_taken_again_loses_no_prompt(tmp_path: Path) -> None:
    """Keeping a computed prompt is asked for a second time where the warm connection was gone; not for ever."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.query.decode())
        if len(asked) in (1, 3, 4):
            raise httpx.RemoteProtocolError("closed", request=request)
        return httpx.Response(200)

    model = Llama(tmp_path / "model.gguf", threads=1)
    model._http = OpenAI("m", "http://model.test/v1", "key")
    model._http.http = httpx.AsyncClient(base_url="http://model.test/v1/", transport=httpx.MockTransport(answer))
    assert await model._slot("save", "one.kv")
    assert not await model._slot("save", "one.kv")
    assert asked == ["action=save"] * 4


async def test_leaving_stops_it(llama: Llama) -> None:
    """Barge-in: once the stream is closed, the next answer does not wait for the rest of the last."""
    count = [Message("user", "Count from 1 to 1000.")]
    assert [piece async for piece in llama.stream(count, 1)]  # it is loaded, and has read the question
    before = _worked(llama)
    assert [piece async for piece in llama.stream(count, 40)]
    forty = _worked(llama) - before
    stream = llama.stream(count, 1000)
    await anext(stream)
    await stream.aclose()
    assert [piece async for piece in llama.stream(CHAT, 3)]
    assert 0 < _worked(llama) - before - forty < 10 * forty  # all thousand would have been 25 times forty


def _worked(llama: Llama) -> int:
    """Processor time of the model's process so far, in ticks."""
    assert llama._worker is not None
    fields = Path(f"/proc/{llama._worker.pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


async def test_what_stays_of_a_conversation_is_not_read_again(llama: Llama) -> None:
    """The oldest exchanges go when there are too many: only the new question is read, not all that stays."""
    exchanges = [(f"I saw {count} red boats on the lake.", f"That is {count} more than I did.") for count in range(6)]
    async for _ in llama.stream(prompt.messages(exchanges, "Hello.", ""), 1):
        pass
    read, cached = llama.usage.input_tokens, llama.usage.cached_tokens
    async for _ in llama.stream(prompt.messages(exchanges[3:], "Goodbye.", ""), 1):
        pass
    read, cached = llama.usage.input_tokens - read, llama.usage.cached_tokens - cached
    assert 0 < read - cached < 60  # the question is new, so something was read
    assert cached > 200  # and the rest was there: the fixed part, and the exchanges that stay behind it


async def test_a_question_that_nobody_waits_for_any_more_stops_being_read(llama: Llama) -> None:
    """Whoever hangs up while a long prompt is read does not keep the next one waiting until all of it is."""
    await llama.start()
    long = [Message("user", " ".join(f"{count} boats" for count in range(250)))]
    left = asyncio.create_task(anext(llama.stream(long, 1)))
    await asyncio.sleep(0.3)
    left.cancel()
    await asyncio.gather(left, return_exceptions=True)
    async for _ in llama.stream(long, 1):
        pass
    assert llama.usage.cached_tokens < llama.usage.input_tokens - 64


async def test_it_comes_back_after_its_process_died(llama: Llama) -> None:
    """A worker that is gone is started again by the next answer."""
    await llama.start()
    assert llama._worker is not None
    llama._worker.kill()
    await llama._worker.wait()
    assert [piece async for piece in llama.stream(CHAT, 3)]


async def test_leaving_while_it_loads(llama: Llama) -> None:
    """Barge-in while the worker starts leaves nothing half begun."""
    loading = asyncio.create_task(llama.start())
    await asyncio.sleep(0.05)
    loading.cancel()
    await asyncio.gather(loading, return_exceptions=True)
    assert [piece async for piece in llama.stream(CHAT, 3)]


async def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    """A broken file is told at the start."""
    file = tmp_path / "broken.gguf"
    file.write_bytes(b"not a model")
    with pytest.raises(ModelAbsent, match=r"broken\.gguf"):
        await Llama(file, threads=1).start()


async def test_what_it_kept_computed_can_be_erased(llama: Llama) -> None:
    """`forget` ends the process that holds every prompt; the next answer comes from another one."""
    assert [piece async for piece in llama.stream(CHAT, 3)]
    before = llama._worker
    await llama.forget()
    assert before is not None
    assert before.returncode is not None
    used = Usage()
    assert [piece async for piece in llama.stream(CHAT, 3, used)]
    assert used.requests == 1
    assert used.input_tokens > used.cached_tokens


async def test_it_takes_tools_and_their_results(llama: Llama) -> None:
    """The model's own template puts the tools and what they gave into the prompt, and they can be computed ahead."""
    tool = Offered("get_weather", "How it is.", {"type": "object", "properties": {"city": {"type": "string"}}})
    chat = CHAT[:2]
    without, with_tools, told = Usage(), Usage(), Usage()
    async for _ in llama.consult(chat, [], [], 2, without):
        pass
    await llama.prime(chat, offered=[tool])
    async for _ in llama.consult(chat, [tool], [], 2, with_tools):
        pass
    rounds = [[(Call("1", "get_weather", '{"city": "Rome"}'), "It rains cats and dogs in Rome.")]]
    async for _ in llama.consult(chat, [tool], rounds, 2, told):
        pass
    assert without.input_tokens <= with_tools.input_tokens < told.input_tokens
    assert with_tools.cached_tokens >= with_tools.input_tokens - 2


async def test_a_call_is_read_from_its_format(llama: Llama) -> None:
    """The worker speaks OpenAI's format, calls included: what it sends for one is given as one."""
    async with server(lambda _: (200, EVENTS, openai_calls("get_weather", '{"city": ', '"Rome"}'))) as seen:
        await llama.start()
        assert llama._http is not None
        await llama._http.close()
        llama._http = OpenAI("tiny", seen.url)
        tool = Offered("get_weather", "How it is.", {"type": "object"})
        found = [piece async for piece in llama.consult(CHAT, [tool], [], 20)]
    assert found == [Call("call_1", "get_weather", '{"city": "Rome"}')]
    assert seen.bodies[0]["tools"][0]["function"]["name"] == "get_weather"


@pytest.mark.parametrize(
    ("written", "call"),
    [
        ('```json\n{"name": "get_weather", "arguments": {"city": "Rome"}}\n```', ("get_weather", '{"city": "Rome"}')),
        ('{"name": "get_weather"}', ("get_weather", "{}")),
        ('{"name": "open_door", "arguments": {}}', None),
        ('```python\nprint("}")\n```', None),
        ("`x", None),
    ],
)
async def test_a_call_written_as_text_is_read(llama: Llama, written: str, call: tuple[str, str] | None) -> None:
    """Small models write a call as JSON, bare or fenced; what names no tool that was offered stays text."""
    async with server(lambda _: (200, EVENTS, openai_chunks(list(written)))) as seen:
        await llama.start()
        assert llama._http is not None
        await llama._http.close()
        llama._http = OpenAI("tiny", seen.url)
        found = [piece async for piece in llama.consult(CHAT, [Offered("get_weather", "", {})], [], 20)]
    assert found == [written] if call is None else [(one.name, one.arguments) for one in found] == [call]
