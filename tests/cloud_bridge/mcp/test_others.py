"""Tools of other MCP servers, called when a rule fires: real servers over HTTP and a pipe; only what is allowed."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp.server.mcpserver import MCPServer
from mcp.shared.exceptions import MCPError
from mcp.types import ToolAnnotations
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cloud_bridge.errors import SettingError
from cloud_bridge.fleet.fair import TENANT
from cloud_bridge.ingest.base import Device
from cloud_bridge.mcp.model import ToolModel
from cloud_bridge.mcp.others import Others, Written, fit, read
from cloud_bridge.presence import Presence
from cloud_bridge.providers.base import Message
from cloud_bridge.providers.openai import OpenAI
from cloud_bridge.web.listen import listen
from edge.wire import mien_pb2
from tests.sim.bridge import App

CAR = Device("car-7", 5, tenant="acme")
LOCAL_SERVER = """
import sys
from mcp.server.mcpserver import MCPServer
server = MCPServer("local")

@server.tool()
def note(text: str) -> str:
    open(sys.argv[1], "a").write(text)
    return "noted"

server.run()
"""


@asynccontextmanager
async def home() -> AsyncIterator[tuple[str, list[tuple[str, Any]]]]:
    """A real MCP server of a home: its address, and what was called."""
    called: list[tuple[str, Any]] = []
    server = MCPServer("home")

    @server.tool()
    def lights_dim(level: float, room: str = "car") -> str:
        """Dim."""
        called.append(("lights_dim", (level, room)))
        return "dimmed"

    @server.tool(annotations=ToolAnnotations(read_only_hint=True))
    def get_weather(city: str) -> str:
        """How the weather is."""
        called.append(("get_weather", city))
        return f"It rains in {city}."

    @server.tool()
    def open_door() -> str:
        """Not for rules."""
        called.append(("open_door", None))
        return "open"

    @server.tool()
    def fail() -> str:
        """Breaks."""
        raise RuntimeError("private")

    @server.tool()
    def refuse() -> str:
        """Breaks the protocol's way."""
        raise MCPError(-32602, "no")

    listening = await listen(server.streamable_http_app(), "127.0.0.1:0", tls=None, secure=True)
    try:
        yield f"{listening.address}/mcp", called
    finally:
        await listening.stop()


@asynccontextmanager
async def joined(**servers: Written) -> AsyncIterator[tuple[Others, Callable[..., None]]]:
    """Connected others, and a way to let a rule fire."""
    presence, others = Presence(App()), Others(servers)
    others.start(presence)
    try:
        async with asyncio.timeout(20):
            for one in others.servers:
                await one.connected.wait()

        def fire(call: str, tenant: str = "acme", *, relay: bool = True, **arguments: str) -> None:
            event = mien_pb2.Event(name="rule", arguments={"call": call, **arguments})
            device = Device("car-7", 5, tenant=tenant)
            presence.note(device, "event", mien_pb2.Envelope(kind=mien_pb2.EVENT, events=[event]), relay=relay)

        yield others, fire
    finally:
        await others.stop()


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - it is the other side that changes
            await asyncio.sleep(0.02)


async def test_a_rule_calls_what_is_allowed_and_nothing_else() -> None:
    """The pattern, the purpose and the tenant have to fit; arguments come in the tool's types."""
    async with home() as (url, called):
        written = Written(url=url, rules=["lights_*", "fail"], answers=["open_door", "get_*"], tenants=["acme"])
        async with joined(home=written) as (others, fire):
            fire("lights_dim", level="0.3", unknown="x")
            fire("open_door")
            fire("lights_dim", tenant="others", level="1")
            fire("fail")
            await until(lambda: others.counts.total() == 4)
            assert called == [("lights_dim", (0.3, "car"))]
            assert dict(others.counts) == {"called": 1, "not_allowed": 2, "failed": 1}
            assert [tool.name for _, tool in others.offered("acme")] == ["get_weather"], "only what reads"
            assert others.offered("others") == []


async def test_a_server_that_is_a_program_is_called_through_a_pipe(tmp_path: Path) -> None:
    """Started, called, and ended with the bridge."""
    script, out = tmp_path / "server.py", tmp_path / "out"
    script.write_text(LOCAL_SERVER)
    written = Written(command=[sys.executable, str(script), str(out)], rules=["note"], tenants=["acme"])
    async with joined(local=written) as (others, fire):
        fire("note", text="drowsy")
        await until(lambda: others.counts["called"])
        assert out.read_text() == "drowsy"


@asynccontextmanager
async def vendor(*answers: list[dict[str, Any]]) -> AsyncIterator[tuple[str, list[Any]]]:
    """A server of OpenAI's format that gives these deltas, one list a request; its address and what it was asked."""
    asked: list[Any] = []

    async def complete(request: Request) -> Response:
        asked.append(await request.json())
        deltas = [{"choices": [{"delta": delta}]} for delta in answers[min(len(asked), len(answers)) - 1]]
        ends = [{"choices": [{"delta": {}, "finish_reason": "stop"}]}]
        return Response("".join(f"data: {json.dumps(one)}\n\n" for one in (*deltas, *ends)) + "data: [DONE]\n\n")

    app = Starlette(routes=[Route("/v1/chat/completions", complete, methods=["POST"])])
    listening = await listen(app, "127.0.0.1:0", tls=None, secure=True)
    try:
        yield f"{listening.address}/v1", asked
    finally:
        await listening.stop()


def wants(name: str, *arguments: str) -> list[dict[str, Any]]:
    """A call as it comes: its name, then its arguments bit by bit."""
    first = {"index": 0, "id": "c1", "function": {"name": name, "arguments": ""}}
    rest = [{"index": 0, "function": {"arguments": part}} for part in arguments]
    return [{"tool_calls": [one]} for one in (first, *rest)]


async def answered(url: str, others: Others, tenant: str = "acme") -> str:
    """What the model says in the end."""
    TENANT.set(tenant)
    model = ToolModel(OpenAI("any", url), others)
    try:
        return "".join([piece async for piece in model.stream([Message("user", "How is the weather in Rome?")], 50)])
    finally:
        await model.close()


async def test_the_language_model_looks_something_up() -> None:
    """It is offered what may be read, its call is made, and it answers with the result before it."""
    says = [{"content": "It "}, {"content": "rains."}]
    call = wants("home__get_weather", '{"ci', 'ty": "Rome"}')
    async with home() as (home_url, called), vendor(call, says) as (url, asked):
        written = Written(url=home_url, answers=["get_*", "open_door"], tenants=["acme"])
        async with joined(home=written) as (others, _):
            assert await answered(url, others) == "It rains."
            assert called == [("get_weather", "Rome")]
            assert [one["function"]["name"] for one in asked[0]["tools"]] == ["home__get_weather"]
            assert asked[1]["messages"][-1] == {"role": "tool", "tool_call_id": "c1", "content": "It rains in Rome."}
            assert await answered(url, others, tenant="others") == "It rains."
            assert "tools" not in asked[-1], "the other tenant's devices have no tools"


async def test_a_model_that_only_calls_comes_to_an_end() -> None:
    """What is not offered is not called, bad arguments neither; after two rounds no tools are offered any more."""
    calls = (wants("home__open_door"), wants("home__get_weather", "{"), [])
    async with home() as (home_url, called), vendor(*calls) as (url, asked):
        written = Written(url=home_url, answers=["*"], tenants=["acme"])
        async with joined(home=written) as (others, _):
            assert await answered(url, others) == ""
            assert called == []
            assert len(asked) == 3
            assert "tools" not in asked[2]
            results = [one["content"] for one in asked[2]["messages"] if one["role"] == "tool"]
            assert results == ["error: there is no such tool", "error: the arguments are no JSON"]


def test_the_file_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong is named; nothing is allowed by default."""
    file = tmp_path / "servers.toml"
    file.write_text('[home]\nurl = "http://127.0.0.1:9/mcp"\ntoken = "HOME_TOKEN"\n')
    found = read(str(file))
    assert (found["home"].rules, found["home"].answers, found["home"].tenants) == ([], [], ["default"])
    monkeypatch.delenv("HOME_TOKEN", raising=False)
    for text, why in (
        ('[home]\nurl = "ftp://x"', "home.url"),
        ("[home]\n", "url or command"),
        ('[home]\nurl = "http://x"\ncommand = ["y"]', "url or command"),
        ('[home]\nurl = "http://x"\nallow = ["*"]', "home.allow"),
        ("[home", "TOML"),
    ):
        file.write_text(text)
        with pytest.raises(SettingError, match=why):
            read(str(file))


async def test_a_token_that_is_not_set_is_told() -> None:
    """At the start, by the variable's name."""
    with pytest.raises(SettingError, match="NO_SUCH_TOKEN"):
        Others({"home": Written(url="http://127.0.0.1:9/mcp", token="NO_SUCH_TOKEN")})


def test_arguments_take_the_types_that_the_tool_asks_for() -> None:
    """What cannot be read is left as it is; what the tool does not know stays out."""
    schema = {"properties": {"n": {"type": "integer"}, "x": {"type": "number"}, "on": {"type": "boolean"}, "t": {}}}
    given = {"n": "3", "x": "0.5", "on": "true", "t": "text", "other": "1"}
    assert fit(given, schema) == {"n": 3, "x": 0.5, "on": True, "t": "text"}
    assert fit({"n": "many"}, schema) == {"n": "many"}
    assert fit({"n": "inf", "any": "1"}, {"properties": {"n": {"type": "integer"}, "any": True}}) == {
        "n": "inf",
        "any": "1",
    }


async def test_a_rule_that_fired_at_another_bridge_is_called_there_alone() -> None:
    """Every bridge of a fleet hears of it; the door must not be opened by each."""
    async with (
        home() as (url, called),
        joined(home=Written(url=url, rules=["lights_*"], tenants=["acme"])) as (others, fire),
    ):
        fire("lights_dim", level="1", relay=False)
        fire("lights_dim", level="0.5")
        await until(others.counts.total)
        await asyncio.sleep(0.1)
        assert called == [("lights_dim", (0.5, "car"))]


async def test_a_call_that_the_server_refuses_costs_nobody_the_connection() -> None:
    """One device's bad arguments must not cut off the others."""
    async with (
        home() as (url, called),
        joined(home=Written(url=url, rules=["*"], tenants=["acme"])) as (others, fire),
    ):
        fire("refuse")
        fire("lights_dim", level="1e999", room="hall")
        await until(lambda: others.counts.total() == 2)
        await asyncio.sleep(0.1)
        assert others.servers[0].reason is None
        assert others.servers[0].connected.is_set()
        fire("lights_dim", level="1")
        await until(lambda: ("lights_dim", (1.0, "car")) in called)
