"""A bridge's MCP server on real ports, with one car of each of two tenants, for tests and the conformance suite."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import grpc

from cloud_bridge.errors import BridgeError
from cloud_bridge.ingest.base import Device
from cloud_bridge.mcp import grpc as over_grpc
from cloud_bridge.mcp import http as over_http
from cloud_bridge.mcp.server import Server
from cloud_bridge.mcp.updates import Updates
from cloud_bridge.presence import Presence
from cloud_bridge.web.clients import Client, Clients
from cloud_bridge.web.listen import Listening, listen
from edge.wire import mien_pb2
from tests.sim.bridge import App, Wire

CAR = Device("car-7", 5, tenant="acme")
HOUSE = Device("house", 6, tenant="others")
TOKENS = {"reader": "r" * 20, "boss": "b" * 20, "stranger": "s" * 20}


class Obedient(Wire):
    """A device that does as it is told, unless it `refuses`, and why."""

    def __init__(self, presence: Presence, device: Device) -> None:
        super().__init__()
        self.presence, self.device = presence, device
        self.refuses = ""

    async def send(self, reply: mien_pb2.Reply) -> None:
        raise AssertionError("nothing is said here")

    async def command(self, command: mien_pb2.Command) -> None:
        await super().command(command)
        told = {"id": str(command.id), "done": "false" if self.refuses else "true", "reason": self.refuses}
        if command.HasField("mute"):
            told["muted"] = "true" if command.mute else "false"
        await tell(self.presence, self.device, mien_pb2.EVENT, events=[mien_pb2.Event(name="order", arguments=told)])


@dataclass
class Place:
    """What a test may touch."""

    presence: Presence
    listening: Listening
    grpc_port: int
    server: Server
    wires: dict[str, Obedient]
    said: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{self.listening.address}{over_http.PATH}"

    @asynccontextmanager
    async def by_grpc(self, who: str) -> AsyncIterator[object]:
        async with (
            grpc.aio.insecure_channel(f"127.0.0.1:{self.grpc_port}") as channel,
            over_grpc.connect(channel, TOKENS[who]) as streams,
        ):
            yield streams


def some_clients() -> Clients:
    clients = Clients()
    clients.add(TOKENS["reader"], Client(name="reader", tenant="acme"))
    clients.add(TOKENS["boss"], Client(name="boss", tenant="acme", may=("control",)))
    clients.add(TOKENS["stranger"], Client(name="stranger", tenant="others", may=("control",)))
    return clients


async def tell(presence: Presence, device: Device, kind: mien_pb2.Kind, **fields: object) -> None:
    """One envelope of `device`."""
    envelope = mien_pb2.Envelope(v=1, device=device.id, boot=device.boot, seq=1, kind=kind, **fields)
    await presence.received(device, envelope)


@asynccontextmanager
async def place(extend: Callable[[Server], None] = lambda server: None) -> AsyncIterator[Place]:
    """The server, listening. `extend` may add tools before it does."""
    presence = Presence(App())
    wires = {}
    for device in (CAR, HOUSE):
        wires[device.id] = Obedient(presence, device)
        await presence.connected(device, wires[device.id])
    said: list[tuple[str, str, str]] = []

    async def say(tenant: str, device: str, text: str) -> None:
        if text == "fail":
            raise BridgeError("the device is not connected now")
        said.append((tenant, device, text))

    updates = Updates(presence)
    server = Server(presence, updates, say)
    extend(server)
    async with AsyncExitStack() as stack:
        updates.start()
        stack.push_async_callback(updates.stop)
        listening = await listen(over_http.app(server, some_clients()), "127.0.0.1:0", tls=None, secure=True)
        stack.push_async_callback(listening.stop)
        by_grpc, port = await over_grpc.serve(server, some_clients(), "127.0.0.1:0", tls=None)
        stack.push_async_callback(by_grpc.stop, 0)
        await asyncio.sleep(0)
        yield Place(presence, listening, port, server, wires, said)
