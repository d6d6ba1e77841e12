"""Bad luck for links: a proxy that cuts, delays and stalls, and real brokers and stores that can be killed."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import random
import secrets
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from cloud_bridge.engine import event_loop


class Loop:
    """An event loop on a thread of its own: the one that the bridge ships with."""

    def __init__(self) -> None:
        self._loop = (event_loop() or asyncio.new_event_loop)()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault loop", daemon=True)
        self._thread.start()

    def start(self, work: Any) -> Future[Any]:
        """Run the coroutine `work` there; its future."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work: Any) -> Any:
        """Run the coroutine `work` there, and wait for what it gives."""
        return self.start(work).result(60)

    def close(self) -> None:
        """Cancel what runs there, and end."""
        self.run(self._end_tasks())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end_tasks(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


_GONE = (OSError, asyncio.IncompleteReadError, RuntimeError)  # the last: what uvloop says of a closed transport


class Chaos:
    """Listens on `port` and passes on to `target`.

    `delay_s` holds every piece back; `loss` is the chance that a piece costs a TCP retransmission time (200 ms) on
    top; `bytes_per_s` narrows it (0: not at all); `stalled` True takes connections and passes nothing on (half-open);
    `refusing` True hangs up on new connections. `cut()` breaks every connection now. Chance comes from `seed`.
    """

    def __init__(self, target: int, seed: int = 0) -> None:
        self.target = target
        self.delay_s = 0.0
        self.loss = 0.0
        self.bytes_per_s = 0.0
        self.stalled = False
        self.refusing = False
        self.cuts = 0
        self._rng = random.Random(seed)  # noqa: S311
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = Loop()
        self._server: asyncio.Server = self._loop.run(asyncio.start_server(self._take, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Break every connection now."""
        self._loop.run(self._cut())

    def close(self) -> None:
        """Stop listening, and break what is open."""
        self._server.get_loop().call_soon_threadsafe(self._server.close)
        self.cut()
        self._loop.close()

    async def _cut(self) -> None:
        self.cuts += 1
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        pair = {writer, far_writer}
        self._writers |= pair
        try:
            await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))
        except _GONE:
            pass
        finally:
            for one in pair:
                self._writers.discard(one)
                one.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def deliver() -> None:
            while True:
                due_s, data = await pieces.get()
                await asyncio.sleep(max(0.0, due_s - loop.time()))
                while self.stalled:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
                if not data:
                    raise ConnectionResetError
                if self.bytes_per_s:
                    await asyncio.sleep(len(data) / self.bytes_per_s)
                writer.write(data)
                await writer.drain()

        delivering = asyncio.create_task(deliver())
        try:
            while not delivering.done():
                data = await reader.read(16_384)
                late_s = 0.2 if self._rng.random() < self.loss else 0.0
                await pieces.put((loop.time() + self.delay_s + late_s, data))
                if not data:
                    await delivering
        finally:
            delivering.cancel()
            with contextlib.suppress(asyncio.CancelledError, *_GONE):
                await delivering


class ToolAbsent(Exception):  # noqa: N818
    """A program that a fault needs is not installed here. The message names its package."""


class BrokerProcess:
    """A real server that `command` runs in the foreground, listening on `port`; its output goes to `folder`/log."""

    def __init__(self, folder: Path, command: Sequence[str | Path], port: int) -> None:
        self.port, self._folder, self._command = port, folder, command
        self.start()

    def start(self) -> None:
        """Start; returns when it takes connections."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        end = time.monotonic() + 20
        while time.monotonic() < end and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise RuntimeError(f"{Path(self._command[0]).name} did not start:\n" + (self._folder / "log").read_text())

    def kill(self) -> None:
        """As a crash: nothing is saved."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Ask it to end, and wait. Idempotent."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()


class Mosquitto(BrokerProcess):
    """Mosquitto in `folder` on a free port, where everyone may do everything.

    `config`: its whole configuration file, where it is to be another; it must listen on `port` then.
    Raises ToolAbsent.
    """

    def __init__(self, folder: Path, config: str | None = None, *, port: int = 0) -> None:
        program = _program("mosquitto", "mosquitto")
        folder.mkdir(parents=True, exist_ok=True)
        port = port or free_port()
        file = folder / "mosquitto.conf"
        file.write_text(config or open_config(port))
        super().__init__(folder, [program, "-c", file], port)


class Iotcore(BrokerProcess):
    """The `iotcore` package (rumqttd), speaking MQTT 5. Raises ToolAbsent."""

    def __init__(self, folder: Path, port: int) -> None:
        if importlib.util.find_spec("iotcore") is None:
            raise ToolAbsent("needs iotcore: pip install iotcore")
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "iotcore.toml"
        file.write_text(_IOTCORE.format(port=port))
        super().__init__(folder, [sys.executable, "-m", "iotcore", "--config", file], port)


class Nats(BrokerProcess):
    """NATS in its MQTT mode, which is 3.1.1. Raises ToolAbsent."""

    def __init__(self, folder: Path, port: int) -> None:
        program = _program("nats-server", "nats-server")
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "nats.conf"
        file.write_text(_NATS.format(port=port, own=free_port(), folder=folder))
        super().__init__(folder, [program, "-c", file], port)


class Redis(BrokerProcess):
    """Redis in `folder` on a free port, at `url`; what it was told is on disk. Raises ToolAbsent."""

    def __init__(self, folder: Path) -> None:
        program = _program("redis-server", "redis-server")
        folder.mkdir(parents=True, exist_ok=True)
        port = free_port()
        self.url = f"redis://127.0.0.1:{port}/0"
        words = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--appendonly", "yes", "--save", ""]
        super().__init__(folder, [program, *words], port)

    def start(self) -> None:
        """As any; it listens before it has read its file."""
        super().start()
        with socket.create_connection(("127.0.0.1", self.port), 20) as asking:
            asking.sendall(b"PING\r\n")
            while not (told := asking.recv(100)).startswith(b"+PONG"):
                if not told:
                    raise RuntimeError("Redis ended as it began:\n" + (self._folder / "log").read_text())
                time.sleep(0.02)
                asking.sendall(b"PING\r\n")


_IOTCORE = """\
id = 0
[router]
id = 0
max_connections = 100
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10
[v5.1]
name = "five"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1
[v5.1.connections]
connection_timeout_ms = 60000
max_payload_size = 262144
max_inflight_count = 500
dynamic_filters = true
"""
_NATS = """\
server_name: mien
listen: 127.0.0.1:{own}
jetstream {{ store_dir: "{folder}/store" }}
mqtt {{ listen: "127.0.0.1:{port}" }}
"""


def _program(name: str, package: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if found is None:
        raise ToolAbsent(f"needs {name}: apt-get install {package}")
    return found


def open_config(port: int, *more: str) -> str:
    """A configuration for everyone, on loopback."""
    lines = ["set_tcp_nodelay true", f"listener {port} 127.0.0.1", "allow_anonymous true", *more]
    return "\n".join(lines) + "\n"


_given: set[int] = set()


def free_port() -> int:
    """A port that nobody listens on now, and none that was given before, nor one that the system gives to a connection:
    it is still free when it is used."""
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            if port not in _given:
                _given.add(port)
                return port
