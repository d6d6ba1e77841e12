"""Starts the MCP server on the addresses that were asked for."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack

from cloud_bridge.ingest.base import Tls
from cloud_bridge.mcp import grpc as over_grpc
from cloud_bridge.mcp import http as over_http
from cloud_bridge.mcp.server import Say, Server
from cloud_bridge.mcp.updates import Updates
from cloud_bridge.presence import Presence
from cloud_bridge.web.clients import Clients
from cloud_bridge.web.listen import listen


async def offer(
    stack: AsyncExitStack,
    presence: Presence,
    say: Say,
    clients: Clients,
    *,
    http: str | None,
    grpc: str | None,
    tls: Tls | None,
    names: Sequence[str],
) -> tuple[str | None, str | None]:
    """Serve on `http` and `grpc` (None: not), until `stack` ends; where they are. Raises ListenError, SettingError."""
    updates = Updates(presence)
    updates.start()
    stack.push_async_callback(updates.stop)
    server = Server(presence, updates, say)
    at = grpc_at = None
    if http is not None:
        listening = await listen(over_http.app(server, clients, names), http, tls=tls, secure=True)
        stack.push_async_callback(listening.stop)
        at = f"{listening.address}{over_http.PATH}"
    if grpc is not None:
        listening_grpc, port = await over_grpc.serve(server, clients, grpc, tls=tls)
        stack.push_async_callback(listening_grpc.stop, 0.5)
        grpc_at = f"{grpc.rpartition(':')[0]}:{port}"
    return at, grpc_at
