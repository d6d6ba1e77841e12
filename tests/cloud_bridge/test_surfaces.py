"""MCP beside the conversation, in a real bridge process: what a client asks for reaches the device."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx2
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from cloud_bridge.errors import SettingError
from cloud_bridge.web.clients import Clients
from edge.wire import mien_pb2 as pb


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A bridge without voice whose language model nobody answers for; its ready line."""
    flags = ["--llm", "openai:none@http://127.0.0.1:9/v1", "--tts", "none", "--history", "none"]
    process = subprocess.Popen(
        [sys.executable, "-m", "cloud_bridge.cli", "--listen", "127.0.0.1:0", "--mcp", "127.0.0.1:0", "--json", *flags],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "MIEN_STATE": str(tmp_path)},
    )
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode == 0


async def test_a_client_speaks_to_the_person_and_stops_perception(bridge: dict[str, Any]) -> None:
    """`respond` comes out as a reply on the device's own link; `stop_perception` is obeyed there."""
    async with grpc.aio.insecure_channel(bridge["listen"]) as channel:
        call = channel.stream_stream(
            "/mien.v1.Mien/Converse",
            request_serializer=pb.Uplink.SerializeToString,
            response_deserializer=pb.Downlink.FromString,
        )()
        await call.write(pb.Uplink(hello=pb.Hello(v=1, device="car-7", boot=9)))
        assert (await call.read()).HasField("welcome")
        async with (
            httpx2.AsyncClient(headers={"Authorization": f"Bearer {bridge['token']}"}) as http,
            Client(streamable_http_client(bridge["mcp"], http_client=http)) as client,
        ):
            assert not (await client.call_tool("respond", {"device": "car-7", "text": "Take a break."})).is_error
            said = (await call.read()).reply
            assert said.text.text == "Take a break."

            async def obey() -> None:
                down = await call.read()
                while not down.HasField("command"):
                    down = await call.read()
                told = {"id": str(down.command.id), "done": "true", "muted": "true"}
                event = pb.Event(name="order", arguments=told)
                sealed = pb.Envelope(v=1, device="car-7", boot=9, seq=1, kind=pb.EVENT, events=[event])
                await call.write(pb.Uplink(envelope=sealed))

            obeying = asyncio.create_task(obey())
            stopped = await client.call_tool("stop_perception", {"device": "car-7"})
            await obeying
            assert stopped.structured_content == {"device": "car-7", "done": True, "reason": ""}
            devices = (await client.call_tool("list_devices", {})).structured_content
            assert devices["result"][0]["muted"] is True  # type: ignore[index]
        call.cancel()


def test_the_client_file_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names, rights and tenants as written; what is wrong is named."""
    file = tmp_path / "clients.json"
    file.write_text(json.dumps({"desk": {"token": "d" * 20, "tenant": "acme", "may": ["control"]}}))
    file.chmod(0o600)
    monkeypatch.setenv("MIEN_CLIENT_TOKEN", "e" * 20)
    clients = Clients.read(str(file))
    assert clients.of_header("Bearer " + "d" * 20) == clients.of("d" * 20)
    desk = clients.of("d" * 20)
    assert desk is not None
    assert (desk.name, desk.tenant, desk.can("read"), desk.can("control")) == ("desk", "acme", True, True)
    assert clients.of_header("Basic " + "d" * 20) is None
    assert clients.tenants == {"acme", "default"}
    for text, why in (
        ('{"a": {"token": "short"}}', "a.token"),
        ('{"a": {"token": "' + "d" * 20 + '", "may": ["fly"]}}', "a.may"),
        ("{", "json"),
        (json.dumps({n: {"token": "d" * 20} for n in "ab"}), "same token"),
    ):
        file.write_text(text)
        with pytest.raises(SettingError, match=why):
            Clients.read(str(file))
    file.chmod(0o644)
    with pytest.raises(SettingError, match="chmod 600"):
        Clients.read(str(file))
