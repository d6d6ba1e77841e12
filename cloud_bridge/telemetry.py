"""Turns as OpenTelemetry spans: one trace per turn, of its names and times alone; nothing where it is not wanted.

Wanted means that OTEL_EXPORTER_OTLP_ENDPOINT (or …_TRACES_ENDPOINT) names a collector; the other OTEL_ variables apply.
The device tells its stages after the reply was heard: its spans join the trace, whose number is made of boot and turn.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from typing import Any

from cloud_bridge.errors import ModelAbsent
from cloud_bridge.ingest.base import Device
from cloud_bridge.plan import Report
from cloud_bridge.stages import BRIDGE, DEVICE, Stage, stages

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class Telemetry:
    """Hears how turns went. `exporter`: an OpenTelemetry span exporter; None: the one of the environment, if any.

    Raises ModelAbsent where spans are wanted and the packages are not installed.
    """

    def __init__(self, exporter: Any = None) -> None:
        self._tracer: Any = None
        self._provider: Any = None
        if exporter is None and not any(os.environ.get(name) for name in _ENDPOINTS):
            return
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError as error:
            raise ModelAbsent("spans need OpenTelemetry: pip install 'mien[trace]'") from error
        self._provider = TracerProvider(resource=Resource.create({"service.name": "mien-bridge"}))
        self._provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("mien")

    def turn(self, device: Device, report: Report) -> None:
        """The bridge's part of one turn."""
        self._spans((device, report.turn), stages({}, report.ms), report.at_s, _attributes(report))

    def heard(self, device: Device, turn: int, told: Mapping[str, float], at_s: float) -> None:
        """The device's part; `at_s`: when its first sound was, seconds since 1970."""
        zero_s = at_s - told.get("first_sound_ms", 0.0) / 1000
        self._spans((device, turn), stages(told, {}), zero_s, {})

    def _spans(
        self, of: tuple[Device, int], found: Iterable[Stage], zero_s: float, attributes: Mapping[str, Any]
    ) -> None:
        if self._tracer is None:
            return
        from opentelemetry import trace

        device, turn = of
        seed = hashlib.sha256(f"{device.tenant}/{device.id}/{device.boot}/{turn}".encode()).digest()
        of_turn = trace.SpanContext(
            int.from_bytes(seed[:16], "big") or 1,
            int.from_bytes(seed[16:24], "big") or 1,
            is_remote=True,
            trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED),
        )
        context = trace.set_span_in_context(trace.NonRecordingSpan(of_turn))
        for one in found:
            about = {"mien.device": device.id, "mien.tenant": device.tenant, "mien.turn": turn}
            if one.lane in (BRIDGE, DEVICE):
                about |= attributes
            start_ns = round((zero_s + one.start_ms / 1000) * 1e9)
            span = self._tracer.start_span(
                f"{one.lane}: {one.name}", context=context, start_time=start_ns, attributes=about
            )
            span.end(round((zero_s + one.end_ms / 1000) * 1e9))

    def close(self) -> None:
        """Send what is waiting, and end."""
        if self._provider is not None:
            self._provider.shutdown()


def _attributes(report: Report) -> dict[str, Any]:
    about: dict[str, Any] = {
        "mien.outcome": report.outcome,
        "gen_ai.request.model": report.model,
    }
    about |= {f"gen_ai.usage.{name}": count for name, count in report.tokens.items()}
    return about
