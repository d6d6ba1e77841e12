"""gRPC's standard services, for tools that ask any server: health (`Check`, `Watch`) and reflection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1 import health, health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

from cloud_bridge.ingest.call import Call, Failed

Handler = Callable[[Call], Awaitable[None]]
"""Serves one call. Raises Failed to end it otherwise than well."""


def standard(service: str) -> Mapping[str, Handler]:
    """The handlers by their paths, for a server that serves `service`."""
    names = ("", service)
    described = reflection.ReflectionServicer((service, health.SERVICE_NAME, reflection.SERVICE_NAME))

    async def check(call: Call) -> None:
        asked = _parsed(health_pb2.HealthCheckRequest, await call.read())
        if asked.service not in names:
            raise Failed(grpc.StatusCode.NOT_FOUND, "this service is not known here")
        told = health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)
        call.write(told.SerializeToString())

    async def watch(call: Call) -> None:
        """A bridge that listens serves; that it does so no more is told by the end of the call."""
        asked = _parsed(health_pb2.HealthCheckRequest, await call.read())
        told = health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVICE_UNKNOWN)
        if asked.service in names:
            told.status = health_pb2.HealthCheckResponse.SERVING
        call.write(told.SerializeToString())
        await call.ended()

    async def info(call: Call) -> None:
        while (packet := await call.read()) is not None:
            asked = _parsed(reflection_pb2.ServerReflectionRequest, packet)
            for told in described.ServerReflectionInfo(iter([asked]), None):
                call.write(told.SerializeToString())

    return {
        f"/{health.SERVICE_NAME}/Check": check,
        f"/{health.SERVICE_NAME}/Watch": watch,
        f"/{reflection.SERVICE_NAME}/ServerReflectionInfo": info,
    }


def _parsed(kind: Any, packet: bytes | None) -> Any:
    try:
        return kind.FromString(packet or b"")
    except DecodeError as error:
        raise Failed(grpc.StatusCode.INVALID_ARGUMENT, "this is no message of that service") from error
