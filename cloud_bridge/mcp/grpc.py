"""MCP over gRPC: JSON-RPC messages on one bidirectional stream, for both ends.

Service `mien.v1.Mcp`, method `Connect`: each message either way is a `google.protobuf.StringValue` that holds one
JSON-RPC message. The stream is one MCP session. Metadata `authorization: Bearer TOKEN` tells who it is.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import grpc
from google.protobuf.message import DecodeError
from google.protobuf.wrappers_pb2 import StringValue
from mcp.client._transport import TransportStreams
from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.mcpserver import MCPServer
from mcp.shared.message import SessionMessage
from mcp_types.jsonrpc import JSONRPCMessage, jsonrpc_message_adapter
from pydantic import ValidationError

from cloud_bridge.ending import end
from cloud_bridge.errors import ListenError, SettingError
from cloud_bridge.ingest.base import Tls
from cloud_bridge.mcp.http import access
from cloud_bridge.web.clients import Clients
from edge.wire.clear import loopback

METHOD = "/mien.v1.Mcp/Connect"
_MOST = 256 << 10  # bytes of a message
_OPTIONS = [
    ("grpc.max_receive_message_length", _MOST),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.max_concurrent_streams", 16),
    ("grpc.so_reuseport", 0),
]


async def serve(server: MCPServer, clients: Clients, address: str, *, tls: Tls | None) -> tuple[grpc.aio.Server, int]:
    """Serve `server` on `address` (port 0: any); the server and its port. Raises ListenError, SettingError."""
    if tls is None and not loopback(address.rpartition(":")[0].strip("[]")):
        raise SettingError(f"{address} is not this machine alone, and no TLS is set: give --tls-cert and --tls-key")
    listening = grpc.aio.server(options=_OPTIONS)
    handler = grpc.stream_stream_rpc_method_handler(
        _Connect(server, clients).stream,
        request_deserializer=_parse,
        response_serializer=StringValue.SerializeToString,
    )
    service, _, method = METHOD.strip("/").partition("/")
    listening.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
    try:
        port = listening.add_secure_port(address, _credentials(tls)) if tls else listening.add_insecure_port(address)
    except RuntimeError as error:
        raise ListenError(f"cannot listen on {address}: the port is taken or the address is not ours") from error
    await listening.start()
    return listening, port


def _credentials(tls: Tls) -> grpc.ServerCredentials:
    """Without `client_ca`: that is the devices' authority, and clients show a token."""
    try:
        return grpc.ssl_server_credentials([(Path(tls.key).read_bytes(), Path(tls.certificate).read_bytes())])
    except OSError as error:
        raise SettingError(f"a TLS file cannot be read: {error}") from error


class _Connect:
    """The handler of the one method."""

    def __init__(self, server: MCPServer, clients: Clients) -> None:
        self._server, self._clients = server, clients

    async def stream(self, requests: AsyncIterator[StringValue | None], context: Any) -> None:
        """Serve one session."""
        metadata = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
        client = self._clients.of_header(metadata.get("authorization"))
        if client is None or not client.can("read"):
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "give metadata `authorization: Bearer TOKEN`")
            return
        auth_context_var.set(AuthenticatedUser(access(client)))  # of this call's task, and of those it begins
        to_server, from_client = anyio.create_memory_object_stream[SessionMessage | Exception](16)
        to_client, from_server = anyio.create_memory_object_stream[SessionMessage](16)
        low = self._server._lowlevel_server  # the SDK runs other transports so, too
        serving = asyncio.create_task(low.run(from_client, to_client, low.create_initialization_options()))
        writing = asyncio.create_task(_write(from_server, context))
        try:
            await _read(requests, to_server)
        finally:
            await to_server.aclose()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await asyncio.gather(serving, writing, return_exceptions=True)
            await end((serving, writing))
            for one in (from_client, to_client, from_server):
                one.close()


@contextlib.asynccontextmanager
async def connect(channel: grpc.aio.Channel, token: str) -> AsyncIterator[TransportStreams]:
    """The SDK's client transport: `Client(connect(channel, token))`."""
    call = channel.stream_stream(METHOD, request_serializer=StringValue.SerializeToString, response_deserializer=_parse)
    stream = call(metadata=(("authorization", f"Bearer {token}"),))
    to_client, from_server = anyio.create_memory_object_stream[SessionMessage | Exception](16)
    to_server, from_client = anyio.create_memory_object_stream[SessionMessage](16)

    async def read() -> None:
        with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            async with to_client:
                try:
                    await _read(aiter(stream), to_client)
                except grpc.aio.AioRpcError as error:
                    await to_client.send(ConnectionError(f"the MCP stream ended: {error.details()}"))

    async def write() -> None:
        async for message in from_client:
            await stream.write(_packed(message))
        await stream.done_writing()

    tasks = [asyncio.create_task(read()), asyncio.create_task(write())]
    try:
        yield from_server, to_server
    finally:
        stream.cancel()
        await end(tasks)
        for one in (from_server, to_server, to_client, from_client):
            one.close()


async def _read(packets: AsyncIterator[StringValue | None], out: Any) -> None:
    async for packet in packets:
        try:
            message: JSONRPCMessage = jsonrpc_message_adapter.validate_json(packet.value if packet is not None else "")
        except ValidationError as error:
            await out.send(error)  # the SDK answers that it could not be read
            continue
        await out.send(SessionMessage(message))


async def _write(messages: Any, context: Any) -> None:
    async for message in messages:
        await context.write(_packed(message))


def _packed(message: SessionMessage) -> StringValue:
    return StringValue(value=message.message.model_dump_json(by_alias=True, exclude_unset=True))


def _parse(data: bytes) -> StringValue | None:
    try:
        message = StringValue()
        message.ParseFromString(data)
    except DecodeError:
        return None
    return message
