"""A real Redis on a free port; the test skips where none is installed."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest
import redis

from benchmarks.link_faults import free_port


class Redis:
    """Runs until `close`; `stop` and `start` keep port and data."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("redis-server")
        if program is None:
            pytest.skip("install Debian's redis-server")
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._command = [program, "--port", str(self.port), "--dir", str(folder), "--appendonly", "yes", "--save", ""]
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen([*self._command, "--bind", "127.0.0.1"], stdout=subprocess.DEVNULL)
        client = redis.Redis(port=self.port)
        end_s = time.monotonic() + 10
        while time.monotonic() < end_s:
            try:
                client.ping()
                break
            except redis.ConnectionError:
                time.sleep(0.02)
        client.close()

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)

    close = stop
