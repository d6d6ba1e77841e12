"""The standard services, asked by gRPC's own client."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.sim.bridge import Bridge

STATUS = health_pb2.HealthCheckResponse


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Bridge]:
    bridge = Bridge(tmp_path / "seen.sqlite")
    yield bridge
    bridge.close()


async def test_who_watches_is_told_at_once_and_hears_when_the_bridge_ends(bridge: Bridge) -> None:
    """The call stays open for as long as the bridge serves; its end is the news. Leaving it is not an error."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{bridge.port}") as channel:
        health = health_pb2_grpc.HealthStub(channel)
        left = health.Watch(health_pb2.HealthCheckRequest())
        assert (await left.read()).status == STATUS.SERVING
        left.cancel()
        call = health.Watch(health_pb2.HealthCheckRequest(service="mien.v1.Mien"))
        assert (await call.read()).status == STATUS.SERVING
        reading = asyncio.ensure_future(call.read())
        done, _ = await asyncio.wait([reading], timeout=0.2)
        assert not done
        await asyncio.to_thread(bridge.stop)
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await reading
        assert ended.value.code() == grpc.StatusCode.UNAVAILABLE


async def test_a_service_that_is_not_here_is_told_as_unknown_and_not_as_an_error(bridge: Bridge) -> None:
    """As the protocol asks: it may come later, and the watcher stays."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{bridge.port}") as channel:
        call = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service="other.Service"))
        assert (await call.read()).status == STATUS.SERVICE_UNKNOWN
        assert not call.done()
        call.cancel()
