"""A real Mosquitto broker on a free port, for tests and benchmarks."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest


class Mosquitto:
    """A broker in `folder`. `config`: lines beside the listener; without any, everyone may do everything."""

    def __init__(self, folder: Path, config: str = "allow_anonymous true", *, port: int = 0) -> None:
        port = port or free_port()
        self._begin(folder, f"set_tcp_nodelay true\nlistener {port} 127.0.0.1\n{config}\n", port)

    @classmethod
    def with_file(cls, folder: Path, config: str, port: int) -> Mosquitto:
        """A broker with exactly this configuration file, which makes it listen on `port`."""
        broker = cls.__new__(cls)
        broker._begin(folder, config, port)
        return broker

    def _begin(self, folder: Path, config: str, port: int) -> None:
        program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
        if program is None:
            pytest.skip("needs a broker: apt-get install mosquitto")
        folder.mkdir(parents=True, exist_ok=True)
        self.port, self._folder, self._program = port, folder, program
        self._file = folder / "mosquitto.conf"
        self._file.write_text(config)
        self.start()

    def start(self) -> None:
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen([self._program, "-c", self._file], stdout=log, stderr=log)
        end = time.monotonic() + 10
        while time.monotonic() < end and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise RuntimeError("mosquitto did not start:\n" + (self._folder / "log").read_text())

    def kill(self) -> None:
        """As a crash: nothing is saved."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])
