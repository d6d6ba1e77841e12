"""A real Mosquitto broker for tests; they skip where none is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import link_faults
from benchmarks.link_faults import free_port, open_config

__all__ = ["Mosquitto", "free_port", "open_config"]


class Mosquitto(link_faults.Mosquitto):
    """As in the benchmark, but skips the test instead of raising ToolAbsent."""

    def __init__(self, folder: Path, config: str | None = None, *, port: int = 0) -> None:
        try:
            super().__init__(folder, config, port=port)
        except link_faults.ToolAbsent as error:
            pytest.skip(str(error))
