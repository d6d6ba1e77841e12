"""Ordeals of the link: real processes are killed, cut off, or starved of disk at random moments.

A device puts envelopes through all of it; afterwards every envelope for which `put()` had returned must be among the
application's durable effects, once, in order per priority.
"""

from __future__ import annotations

import contextlib
import random
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.link_device import FLEETING_S
from benchmarks.link_faults import BrokerProcess, Chaos, Iotcore, Mosquitto, Nats, free_port, open_config
from benchmarks.link_speed import peer, ready

KINDS = {  # fault → scheme it is played on
    "cut": "grpc",
    "long_cut": "grpc",
    "loss_and_delay": "grpc",
    "bridge_kill": "grpc",
    "device_kill": "grpc",
    "disk_full": "grpc",
    "broker_restart": "mqtt",
    "broker_kill": "mqtt",
    "bridge_kill_mqtt": "mqtt",
    "device_off": "grpc",
}
LONG_CUT_S = 60.0
_DISK = "6m"  # size of the full disk
_MOUNTED = 'mount -t tmpfs -o size="$0" tmpfs "$1" && shift && exec "$@"'


class Stopped(Exception):  # noqa: N818
    """Somebody set the ordeal's `stop`."""


def pause(stop: threading.Event, seconds: float) -> None:
    """Sleep. Raises Stopped."""
    if stop.wait(seconds):
        raise Stopped("the run was ended")


@dataclass
class Ordeal:
    """One kind of fault, `faults` times at random moments, while a device puts `envelopes`."""

    kind: str
    folder: Path
    envelopes: int
    faults: int
    seed: int
    long_cut_s: float = LONG_CUT_S
    broker: str = "mosquitto"  # whose conversations are played on
    stop: threading.Event = field(default_factory=threading.Event)  # set: it ends, and so does what it started
    acknowledged: list[tuple[str, int, int]] = field(default_factory=list)  # boot, seq, priority: put() returned

    def run(self) -> dict[str, Any]:
        """Play it, and count what was lost, doubled and out of order. Raises ToolAbsent, Stopped."""
        self.folder.mkdir(parents=True)
        self._rng = random.Random(self.seed)  # noqa: S311
        self._store = self.folder / "seen.sqlite"
        self._grpc_port, broker_port = free_port(), free_port()
        mqtt = KINDS[self.kind] == "mqtt"
        self._broker = start_broker(self.broker, self.folder / "broker", broker_port) if mqtt else None
        self._broker_port = broker_port if mqtt else 0
        self._start_bridge()
        self._net = Chaos(broker_port if mqtt else self._grpc_port, self.seed)
        if self.kind == "loss_and_delay":
            self._net.delay_s, self._net.loss = 0.3, 0.3
        self._uri = f"{KINDS[self.kind]}://127.0.0.1:{self._net.port}"
        self._drained = threading.Event()
        began = time.monotonic()
        try:
            self._start_device()
            played = self._play()
            self._finish()
        finally:
            self._device.kill()
            self._device.communicate()
            self._bridge.kill()
            self._bridge.communicate()
            self._net.close()
            if self._broker is not None:
                self._broker.close()
        return {
            **judge(self._store, self.acknowledged),
            "faults_injected": played,
            "seconds": round(time.monotonic() - began, 1),
        }

    def _play(self) -> int:
        """Do each fault when its share of the envelopes is put; those that need the link between are spread evenly."""
        hit: Callable[[], None] = getattr(self, f"_{self.kind.removesuffix('_mqtt')}")
        for number in range(self.faults):
            due = self.envelopes * (number + self._rng.random()) / self.faults
            while len(self.acknowledged) < due and not self._drained.is_set():
                self._wait()
            pause(self.stop, self._rng.random() * 0.05)
            hit()
        return self.faults

    def _finish(self) -> None:
        """The device puts what is left of the envelopes and waits until all is acknowledged."""
        end = time.monotonic() + 900
        while not self._drained.is_set():
            self._wait()
            if time.monotonic() > end:
                raise RuntimeError(f"{self.kind}: not everything was acknowledged in 15 minutes")

    def _wait(self) -> None:
        """A moment. Raises Stopped, and RuntimeError once the device has ended without being told to."""
        pause(self.stop, 0.01)
        if not self._reader.is_alive() and not self._drained.is_set():
            raise RuntimeError(f"{self.kind}: the device ended by itself")

    def _cut(self) -> None:
        self._net.cut()

    def _long_cut(self) -> None:
        self._net.refusing = True
        self._net.cut()
        pause(self.stop, self.long_cut_s)
        self._net.refusing = False

    def _loss_and_delay(self) -> None:
        self._net.cut()

    def _disk_full(self) -> None:
        """Not a byte is left for up to a second."""
        filler = Path(f"/proc/{self._device.pid}/root{self._disk}/filler")
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4_096))
        time.sleep(self._rng.random())
        with contextlib.suppress(FileNotFoundError):  # all was sent meanwhile: device and disk are gone
            filler.unlink()

    def _bridge_kill(self) -> None:
        self._bridge.kill()
        self._bridge.communicate()
        self._start_bridge()

    def _device_kill(self, off_s: float = 0.0) -> None:
        self._device.send_signal(signal.SIGKILL)
        self._reader.join()
        self._device.wait()
        pause(self.stop, off_s)
        self._start_device()

    def _device_off(self) -> None:
        """Killed while the bridge is away, and back when a part of what waited has expired."""
        self._net.refusing = True
        self._net.cut()
        pause(self.stop, 0.2)
        self._device_kill(off_s=2 * FLEETING_S)
        self._net.refusing = False

    def _broker_restart(self) -> None:
        assert self._broker is not None
        self._broker.close()
        self._broker.start()

    def _broker_kill(self) -> None:
        assert self._broker is not None
        self._broker.kill()
        self._broker.start()

    def _start_bridge(self) -> None:
        self._bridge = peer("bridge", self._store, self._grpc_port, self._broker_port)
        ready(self._bridge)

    def _start_device(self) -> None:
        left = max(0, self.envelopes - len(self.acknowledged))
        pause_s = 0.002 if self.envelopes > 1_000 else 0.01
        if self.kind == "long_cut":  # so that every cut meets a device that puts
            pause_s = 2 * self.faults * (self.long_cut_s + 2) / self.envelopes
        self._disk, within = self.folder, []
        if self.kind == "disk_full":
            self._disk = self.folder / "disk"
            self._disk.mkdir(exist_ok=True)
            within = ["unshare", "-rm", "sh", "-c", _MOUNTED, _DISK, str(self._disk)]
        outbox, seed = self._disk / "outbox.sqlite", self._rng.getrandbits(32)
        role = "fleeting_device" if self.kind == "device_off" else "device"
        self._device = peer(role, outbox, self._uri, left, pause_s, seed, within=within)
        self._reader = threading.Thread(target=self._read, args=(self._device,), daemon=True)
        self._reader.start()

    def _read(self, device: subprocess.Popen[str]) -> None:
        assert device.stdout is not None
        for line in device.stdout:
            if line == "drained\n":
                self._drained.set()
            elif line.endswith("\n"):
                boot, seq, priority = line.split()
                self.acknowledged.append((boot, int(seq), int(priority)))


def start_broker(name: str, folder: Path, port: int) -> BrokerProcess:
    """mosquitto, iotcore or nats on `port`. Raises ToolAbsent."""
    if name == "iotcore":
        return Iotcore(folder, port)
    if name == "nats":
        return Nats(folder, port)
    return Mosquitto(folder, open_config(port, "max_queued_messages 0"), port=port)


def judge(store: Path, acknowledged: list[tuple[str, int, int]]) -> dict[str, int]:
    """Compare what a device was told is kept with what the application of `store` durably did."""
    with contextlib.closing(sqlite3.connect(store)) as db:
        effects = db.execute("SELECT boot, seq, priority FROM journal ORDER BY rowid").fetchall()
        (total,) = db.execute("SELECT count FROM total").fetchone()
    calls = Path(f"{store}.calls").read_text().splitlines()
    last: dict[tuple[str, int], int] = {}
    disorder = 0
    for boot, seq, priority in effects:
        disorder += seq < last.get((boot, priority), 0)
        last[boot, priority] = seq
    return {
        "envelopes": len(acknowledged),
        "acknowledged_lost": len(set(acknowledged) - set(effects)),
        "duplicates_delivered": max(len(effects), total) - len(set(effects)),
        "calls_repeated": len(calls) - len(set(calls)),  # of a killed bridge's application, in its next life
        "out_of_order": disorder,
    }
