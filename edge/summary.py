"""What one run took: for the end of the demo, and for benchmarks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge import clock, health
from edge.meter import Latency


class Summary:
    """Collects figures while the loop runs; `lines()` after `close()` gives them flat, units in the names."""

    def __init__(self) -> None:
        self._begin_s = clock.now_s() - health.age_s()
        self._first_s: float | None = None
        self._ready_s = self._begin_s
        self._ready_cpu_s = 0.0
        self._figures: dict[str, Any] = {}

    def ready(self) -> None:
        """Everything is loaded, the sensors start: from here on CPU is counted."""
        self._ready_s = clock.now_s()
        self._ready_cpu_s = health.cpu_s()

    def observed(self, now_s: float) -> None:
        """Something was observed at `now_s`."""
        if self._first_s is None:
            self._first_s = now_s

    def close(self, *, audio: Latency, video: Latency, dropped: Mapping[str, int], **figures: float | None) -> None:
        """Take the last figures."""
        wall_s = max(clock.now_s() - self._begin_s, 1e-9)
        rss_mb, peak_mb = health.memory_mb()
        self._figures = {
            "wall_s": wall_s,
            "input_s": clock.now_s() - self._ready_s,
            "start_to_first_observation_s": None if self._first_s is None else self._first_s - self._begin_s,
            "audio_p50_ms": audio.quantile(0.5),
            "audio_p99_ms": audio.quantile(0.99),
            "video_p50_ms": video.quantile(0.5),
            "video_p99_ms": video.quantile(0.99),
            "rss_mb": rss_mb,
            "peak_mb": peak_mb,
            "cpu_pct_core": 100 * (health.cpu_s() - self._ready_cpu_s) / max(clock.now_s() - self._ready_s, 1e-9),
            "start_cpu_s": self._ready_cpu_s,
            "dropped": dict(dropped),
            **figures,
        }

    def lines(self) -> dict[str, Any]:
        """The figures."""
        return self._figures
