"""The MCP server, by the SDK's own client, over streamable HTTP and over gRPC."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp.types import ElicitRequestParams, ElicitResult

from edge.wire import mien_pb2
from tests.cloud_bridge.mcp.place import CAR, HOUSE, TOKENS, Place, place, tell

RULE = 'name = "looks_away"\nwhen = "attention.away_s > 5"'
pytestmark = pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")  # older clients

MODES = ["2026-07-28", "legacy"]


@asynccontextmanager
async def by_http(here: Place, who: str, **kwargs: Any) -> AsyncIterator[Client]:
    """A client of either generation over streamable HTTP."""
    import httpx2

    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {TOKENS[who]}"}) as http,
        Client(streamable_http_client(here.url, http_client=http), **kwargs) as client,
    ):
        yield client


@asynccontextmanager
async def reached(here: Place, way: str, who: str, **kwargs: Any) -> AsyncIterator[Client]:
    """A client by `way`: http or grpc."""
    if way == "http":
        async with by_http(here, who, **kwargs) as client:
            yield client
    else:
        async with Client(here.by_grpc(who), **kwargs) as client:
            yield client


def state(valence: int) -> mien_pb2.State:
    return mien_pb2.State(person=1, fused=mien_pb2.Affect(probs_pct=[90], valence=valence))


@pytest.mark.parametrize("way", ["http", "grpc"])
@pytest.mark.parametrize("mode", MODES)
async def test_a_client_reads_how_the_person_seems(way: str, mode: str) -> None:
    """By tool and by resource, in both generations of the protocol, over both transports."""
    async with place() as here:
        await tell(here.presence, CAR, mien_pb2.STATE, state=state(-40), description={"visual": "Looks sad."})
        async with reached(here, way, "reader", mode=mode) as client:
            tools = {tool.name for tool in (await client.list_tools()).tools}
            assert tools == {
                "get_emotional_state",
                "list_devices",
                "respond",
                "set_rule",
                "start_perception",
                "stop_perception",
            }
            told = (await client.call_tool("get_emotional_state", {"device": "car-7"})).structured_content
            assert told is not None
            assert told["state"]["fused"]["valence"] == -40
            assert told["description"] == {"visual": "Looks sad."}
            read = await client.read_resource("mien://devices/car-7/state")
            assert json.loads(read.contents[0].text)["state"]["fused"]["valence"] == -40  # type: ignore[union-attr]
            listed = {str(one.uri) for one in (await client.list_resources()).resources}
            assert "mien://devices/car-7/events" in listed
            assert not any("house" in one for one in listed)


async def test_a_tenant_cannot_reach_the_other() -> None:
    """Neither by list, tool, resource nor order."""
    async with place() as here, by_http(here, "stranger") as client:
        devices = (await client.call_tool("list_devices", {})).structured_content
        assert [one["device"] for one in devices["result"]] == ["house"]  # type: ignore[index]
        assert (await client.call_tool("get_emotional_state", {"device": "car-7"})).is_error
        assert (await client.call_tool("stop_perception", {"device": "car-7"})).is_error
        with pytest.raises(MCPError):
            await client.read_resource("mien://devices/car-7/state")
        assert here.wires["car-7"].commands == []


async def test_nobody_hears_of_the_other_tenants_events() -> None:
    """A subscription to another tenant's resource is granted, as the protocol has it, and never fires."""
    async with place() as here, by_http(here, "stranger") as client:
        uris = ["mien://devices/car-7/events", "mien://devices/house/events"]
        async with client.listen(resource_subscriptions=uris) as heard:
            await tell(here.presence, CAR, mien_pb2.EVENT, events=[{"name": "drowsiness_alert"}])
            await tell(here.presence, HOUSE, mien_pb2.EVENT, events=[{"name": "attention_lost"}])
            event = await asyncio.wait_for(anext(aiter(heard)), 20)
            assert event.uri == "mien://devices/house/events"  # type: ignore[union-attr]


@pytest.mark.parametrize("way", ["http", "grpc"])
async def test_a_threshold_event_is_a_resource_update(way: str) -> None:
    """Subscribe, be told, read what fired."""
    async with place() as here, reached(here, way, "reader") as client:
        where = "mien://devices/car-7/events"
        async with client.listen(resource_subscriptions=[where]) as heard:
            event = mien_pb2.Event(name="drowsiness_alert", alert=True, arguments={"perclos": "0.4"})
            await tell(here.presence, CAR, mien_pb2.EVENT, events=[event])
            told = await asyncio.wait_for(anext(aiter(heard)), 20)
            assert told.uri == where  # type: ignore[union-attr]
            fired = json.loads((await client.read_resource(where)).contents[0].text)  # type: ignore[union-attr]
            assert fired[-1]["events"][0]["name"] == "drowsiness_alert"


async def test_an_older_client_subscribes_too() -> None:
    """`resources/subscribe` of the protocol before 2026-07-28."""
    updates: asyncio.Queue[str] = asyncio.Queue()

    async def note(message: Any) -> None:
        if getattr(message, "method", "") == "notifications/resources/updated":
            updates.put_nowait(str(message.params.uri))

    async with place() as here, by_http(here, "reader", mode="legacy", message_handler=note) as client:
        await client.subscribe_resource("mien://devices/car-7/events")
        told = 0
        async with asyncio.timeout(20):
            while updates.empty():  # the client opens its stream of notifications in the background
                await tell(here.presence, CAR, mien_pb2.EVENT, events=[{"name": "attention_lost"}])
                told += 1
                await asyncio.sleep(0.05)
        assert updates.get_nowait() == "mien://devices/car-7/events"
        await client.unsubscribe_resource("mien://devices/car-7/events")
        for _ in range(told):
            await tell(here.presence, CAR, mien_pb2.EVENT, events=[{"name": "attention_lost"}])
        await asyncio.sleep(0.1)
        assert updates.qsize() < told


async def test_orders_reach_the_device() -> None:
    """`respond`, `set_rule` and `stop_perception`, with who gave them."""
    async with place() as here, by_http(here, "boss") as client:
        assert not (await client.call_tool("respond", {"device": "car-7", "text": "Take a break."})).is_error
        assert not (await client.call_tool("set_rule", {"device": "car-7", "rule": RULE})).is_error
        assert not (await client.call_tool("stop_perception", {"device": "car-7"})).is_error
        rule, mute = here.wires["car-7"].commands
        assert (rule.rule, mute.mute) == (RULE, True)
        assert here.said == [("acme", "car-7", "Take a break.")]
        here.wires["car-7"].refuses = "nothing is called 'attention.awy_s'"
        refused = await client.call_tool("set_rule", {"device": "car-7", "rule": RULE})
        assert refused.is_error
        assert "attention.awy_s" in refused.content[0].text  # type: ignore[union-attr]
        failed = await client.call_tool("respond", {"device": "car-7", "text": "fail"})
        assert "not connected" in failed.content[0].text  # type: ignore[union-attr]


async def test_who_may_only_read_cannot_order() -> None:
    """The right `control` is asked for by every tool that touches a device or a person."""
    async with place() as here, by_http(here, "reader") as client:
        for tool, more in (
            ("respond", {"text": "hello"}),
            ("set_rule", {"rule": RULE}),
            ("stop_perception", {}),
            ("start_perception", {}),
        ):
            told = await client.call_tool(tool, {"device": "car-7", **more})
            assert told.is_error, tool
            assert "only read" in told.content[0].text  # type: ignore[union-attr]
        assert here.wires["car-7"].commands == []
        assert here.said == []


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("answer", "starts"),
    [
        (ElicitResult(action="accept", content={"agreed": True}), True),
        (ElicitResult(action="accept", content={"agreed": False}), False),
        (ElicitResult(action="decline"), False),
    ],
)
async def test_perception_starts_only_with_consent(mode: str, answer: ElicitResult, starts: bool) -> None:
    """The user of the client is asked; without a yes nothing is sent to the device."""
    asked: list[str] = []

    async def ask(context: Any, params: ElicitRequestParams) -> ElicitResult:
        asked.append(params.message)
        return answer

    async with place() as here, by_http(here, "boss", mode=mode, elicitation_callback=ask) as client:
        told = await client.call_tool("start_perception", {"device": "car-7"})
        assert told.is_error is not starts
        assert [command.mute for command in here.wires["car-7"].commands] == ([False] if starts else [])
        assert "car-7" in asked[0]


async def test_nobody_comes_in_without_a_token() -> None:
    """401, and 403 for a web page of another origin; the body is bounded."""
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    good = {"Authorization": f"Bearer {TOKENS['reader']}", "Accept": "application/json, text/event-stream"}
    async with place() as here, httpx.AsyncClient() as http:
        assert (await http.post(here.url, json=call)).status_code == 401
        wrong = {**good, "Authorization": "Bearer " + "x" * 20}
        assert (await http.post(here.url, json=call, headers=wrong)).status_code == 401
        foreign = {**good, "Origin": "https://evil.example"}
        assert (await http.post(here.url, json=call, headers=foreign)).status_code == 403
        rebound = {**good, "Host": "evil.example"}
        assert (await http.post(here.url, json=call, headers=rebound)).status_code == 421
        large = {**call, "params": {"x": "y" * 300_000}}
        assert (await http.post(here.url, json=large, headers=good)).status_code == 413


async def test_nobody_comes_in_by_grpc_without_a_token() -> None:
    """UNAUTHENTICATED before any message is read."""
    TOKENS["nobody"] = "n" * 20
    async with place() as here:
        with pytest.raises(BaseException):  # noqa: B017, PT011 - the SDK wraps the cause in groups of its own
            async with asyncio.timeout(5), Client(here.by_grpc("nobody"), mode="legacy") as client:
                await client.list_tools()
