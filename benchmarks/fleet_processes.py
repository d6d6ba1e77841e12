"""The processes of the fleet's benchmark: bridges, devices, a store, a simulated language model; and what they use."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from benchmarks.fleet_devices import CONNECTS_PER_S

_FIRST_TOKEN_S = 0.2
_SENTENCE = "That sounds like a lot for one day. I am here."


@contextmanager
def bridge_process(
    folder: Path, model: str, port: int, *more: str, core: bool = True
) -> Iterator[subprocess.Popen[str]]:
    """A real bridge with its state in `folder`; on a core of its own where there is one."""
    folder.mkdir(parents=True, exist_ok=True)
    flags = ["--llm", f"openai:simulated@{model}", "--tts", "none", "--json"]
    pinned = ["taskset", "-c", "1"] if core and (os.cpu_count() or 1) > 1 and _may_pin() else []
    command = [*pinned, sys.executable, "-m", "cloud_bridge.cli", "--listen", f"127.0.0.1:{port}", *flags, *more]
    environment = {**os.environ, "MIEN_STATE": str(folder)}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
        assert process.stdout is not None
        drain = threading.Thread(target=_drained, args=(process.stdout,), daemon=True)
        try:
            line = process.stdout.readline()
            drain.start()
            if "ready" not in line:
                raise RuntimeError(f"the bridge did not start: {(folder / 'log').read_text()[-400:]}")
            yield process
        finally:
            process.terminate()
            process.wait(30)
            drain.join(5)


def _drained(told: IO[str]) -> None:
    with told:
        told.read()


def load_process(
    bridges: str, prefix: str, devices: int, seconds: float, turn_every: int, *, parts: int = 1
) -> subprocess.Popen[str]:
    """Devices that live for `seconds`, one of `parts` processes that begin together; what they saw is the one line that
    the process prints (`fleet_devices.live`)."""
    options = {"bridges": bridges, "prefix": prefix, "devices": devices, "seconds": seconds, "turn-every": turn_every}
    options["connects-per-s"] = CONNECTS_PER_S / parts
    flags = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    pinned = ["taskset", "-c", "0"] if (os.cpu_count() or 1) > 1 and _may_pin() else []
    command = [*pinned, sys.executable, "-m", "benchmarks.fleet_devices", *flags]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _may_pin() -> bool:
    """Whether this run may use all cores; where it was given one alone it keeps to it."""
    return shutil.which("taskset") is not None and len(os.sched_getaffinity(0)) > 1


@contextmanager
def simulated_model() -> Iterator[str]:
    """SIMULATED: a server of OpenAI's format on a thread of its own."""
    ready, found = threading.Event(), list[Any]()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(
                    (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-l")),
                    0,
                )
                await reader.readexactly(length)
                await asyncio.sleep(_FIRST_TOKEN_S)
                pieces: list[dict[str, Any]] = [
                    {"choices": [{"delta": {"content": token}}]} for token in re.findall(r" ?\S+", _SENTENCE)
                ]
                pieces.append({"choices": [{"delta": {}, "finish_reason": "stop"}]})
                body = "".join(f"data: {json.dumps(piece)}\n\n" for piece in pieces) + "data: [DONE]\n\n"
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                    b"Content-Length: %d\r\n\r\n" % len(body.encode()) + body.encode()
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def serve() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        stop = asyncio.Event()
        found[:] = [server.sockets[0].getsockname()[1], asyncio.get_running_loop(), stop]
        ready.set()
        await stop.wait()
        server.close()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    ready.wait()
    try:
        yield f"http://127.0.0.1:{found[0]}/v1"
    finally:
        found[1].call_soon_threadsafe(found[2].set)
        thread.join(5)


class Watch:
    """Memory each second, and processor time, of one process."""

    def __init__(self, pid: int) -> None:
        self.rss_mb: list[float] = []
        self._pid = pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.core = 0.0

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def slope_mb_per_s(self) -> float:
        """Of the last two thirds, by least squares: the first third fills what is bounded."""
        kept = self.rss_mb[len(self.rss_mb) // 3 :]
        return statistics.linear_regression(range(len(kept)), kept).slope if len(kept) > 1 else 0.0

    def _run(self) -> None:
        tick = os.sysconf("SC_CLK_TCK")
        began_s, used = time.monotonic(), self._used()
        while not self._stop.wait(1.0):
            try:
                pages = int(Path(f"/proc/{self._pid}/statm").read_text().split()[1])
                self.rss_mb.append(round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 2))
                self.core = (self._used() - used) / tick / (time.monotonic() - began_s)
            except OSError:
                return

    def _used(self) -> int:
        fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])
