"""The console's HTTP side: tokens, tenants, rights, headers, the stream, and that mute reaches the device."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import pytest

from cloud_bridge.console import app
from edge.wire import mien_pb2 as pb
from tests.cloud_bridge.console_place import READER, STRANGER, TOKEN, Shown, arrive, console, sense
from tests.sim.wait import soon


@asynccontextmanager
async def http(shown: Shown, token: str | None) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(base_url=shown.listening.address, headers=headers) as client:
        yield client


API = ("/api/me", "/api/devices", "/api/devices/car-7", "/api/devices/car-7/history", "/api/devices/car-7/audit")


async def test_everything_but_the_page_needs_a_token() -> None:
    """The page itself tells nothing."""
    async with console() as shown, http(shown, None) as client:
        await arrive(shown, "car-7")
        for path in (*API, "/api/events"):
            assert (await client.get(path)).status_code == 401, path
        assert (await client.post("/api/devices/car-7/mute", json={"mute": True})).status_code == 401
        assert (await client.get("/")).status_code == 200
        assert shown.wires["car-7"].commands == []


async def test_a_tenant_sees_only_its_own() -> None:
    """Not in the list, not by name, not in the history, not by an order."""
    async with console() as shown:
        device = await arrive(shown, "car-7")
        await sense(shown, device, time.time(), 1)
        shown.history.flush()
        async with http(shown, STRANGER) as client:
            assert (await client.get("/api/devices")).json() == []
            assert (await client.get("/api/devices/car-7")).status_code == 404
            assert (await client.get("/api/devices/car-7/history")).json() == []
            assert (await client.post("/api/devices/car-7/mute", json={"mute": True})).status_code == 404
        async with http(shown, READER) as client:
            assert [one["device"] for one in (await client.get("/api/devices")).json()] == ["car-7"]
            kinds = {one["kind"] for one in (await client.get("/api/devices/car-7/history")).json()}
            assert "state" in kinds
            assert (await client.post("/api/devices/car-7/mute", json={"mute": True})).status_code == 403
        assert shown.wires["car-7"].commands == []


async def test_mute_is_an_order_to_the_device() -> None:
    """What the device answers is what is shown; a bad body is no order."""
    async with console() as shown, http(shown, TOKEN) as client:
        await arrive(shown, "car-7")
        assert (await client.post("/api/devices/car-7/mute", json={"mute": True})).json() == {
            "done": True,
            "reason": "",
        }
        assert [command.mute for command in shown.wires["car-7"].commands] == [True]
        assert (await client.get("/api/devices/car-7")).json()["muted"] is True
        shown.wires["car-7"].refuses = "perception stays off"
        refused = (await client.post("/api/devices/car-7/mute", json={"mute": False})).json()
        assert refused == {"done": False, "reason": "perception stays off"}
        for bad in ({"mute": "yes"}, {}, [1], {"mute": True, "x": "y" * 9000}):
            assert (await client.post("/api/devices/car-7/mute", json=bad)).status_code == 400
        assert len(shown.wires["car-7"].commands) == 2


async def test_the_headers_are_strict_on_every_answer() -> None:
    """No script but ours, no frame, no sniffing, no store; no file outside the page's folder."""
    async with console() as shown, http(shown, TOKEN) as client:
        for path in ("/", "/page/main.js", "/api/devices", "/nothing"):
            headers = (await client.get(path)).headers
            assert "default-src 'none'" in headers["content-security-policy"], path
            assert "unsafe" not in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["cache-control"] == "no-store"
        for path in ("/page/..%2fapp.py", "/page/%2e%2e/app.py", "/page/app.py", "/page/"):
            assert (await client.get(path)).status_code == 404, path


async def lines(response: httpx.Response) -> AsyncIterator[tuple[str, Any]]:
    name = ""
    async for line in response.aiter_lines():
        if line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: "):
            yield name, json.loads(line[6:])


async def test_the_stream_tells_the_fleet_and_the_chosen_device() -> None:
    """First all rows, then moments of the device at once, and rows that changed once a second."""
    async with console() as shown, http(shown, TOKEN) as client:
        car = await arrive(shown, "car-7")
        other = await arrive(shown, "car-8")
        foreign = await arrive(shown, "house", tenant="others")
        async with asyncio.timeout(10), client.stream("GET", "/api/events?device=car-7") as response:
            told = lines(response)
            name, rows = await anext(told)
            assert (name, [row["device"] for row in rows]) == ("fleet", ["car-7", "car-8"])
            for device in (foreign, other, car):
                await sense(shown, device, time.time(), 1)
            name, moment = await anext(told)
            assert (name, moment["device"], moment["kind"]) == ("moment", "car-7", "state")
            name, rows = await anext(told)
            assert (name, [row["device"] for row in rows]) == ("fleet", ["car-7", "car-8"])
            assert rows[0]["valence"] == moment["state"]["fused"]["valence"]


@pytest.mark.parametrize("query", ["since=x", "until=y"])
async def test_a_time_that_is_none_is_refused(query: str) -> None:
    """Seconds, as numbers."""
    async with console() as shown, http(shown, TOKEN) as client:
        assert (await client.get(f"/api/devices/car-7/history?{query}")).status_code == 400


async def test_an_alert_stands_in_the_row_and_orders_in_the_audit() -> None:
    """What a person in charge looks for first."""
    async with console() as shown, http(shown, TOKEN) as client:
        car = await arrive(shown, "car-7")
        await sense(shown, car, time.time(), 1, kind=pb.EVENT, events=[pb.Event(name="drowsiness_alert", alert=True)])
        row = (await client.get("/api/devices")).json()[0]
        assert row["alert"] == "drowsiness_alert"
        shown.history.flush()
        audit = (await client.get("/api/devices/car-7/audit")).json()
        assert [(one["kind"], one["name"]) for one in audit] == [("event", "drowsiness_alert")]


async def test_what_nobody_sends_is_answered_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    """A body too deep, a name too long: refused, with no trace of it in the log."""
    async with console() as shown, http(shown, TOKEN) as client:
        await arrive(shown, "car-7")
        for deep in (b"[" * 4_000, b'{"mute": true, "why": ' + b"[" * 200 + b"]" * 200 + b"}"):
            assert (await client.post("/api/devices/car-7/mute", content=deep)).status_code == 400
        for name in ("x" * 5_000 + ".js", "%00.js", "..%2fapp.py", ".."):
            assert (await client.get(f"/page/{name}")).status_code in (200, 404), name
        assert (await client.get("/page/" + "x" * 5_000 + ".js")).status_code == 404
        assert "Traceback" not in caplog.text


async def test_the_streams_of_a_tenant_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that opens ever more costs its own tenant streams, and no other's."""
    monkeypatch.setattr(app, "_MOST_STREAMS", 2)
    async with (
        console() as shown,
        http(shown, READER) as client,
        http(shown, STRANGER) as other,
        AsyncExitStack() as all_,
    ):
        for _ in range(2):
            await all_.enter_async_context(client.stream("GET", "/api/events"))
        await soon(lambda: shown.presence.followers("acme") == 2)
        assert (await client.get("/api/events")).status_code == 429
        stream = await all_.enter_async_context(other.stream("GET", "/api/events"))
        assert stream.status_code == 200
