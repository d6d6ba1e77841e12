"""A real Redis on a free port; the test skips where none is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import link_faults


class Redis(link_faults.Redis):
    """Runs until `close`; `stop` and `start` keep port and data. Skips the test instead of raising ToolAbsent."""

    stop = link_faults.Redis.close

    def __init__(self, folder: Path) -> None:
        try:
            super().__init__(folder)
        except link_faults.ToolAbsent as error:
            pytest.skip(str(error))
