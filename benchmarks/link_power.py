"""A whole machine: device and bridge run in a User-Mode Linux with a disk and a clock of their own.

Power cuts: the machine is killed at random moments. What the guest's kernel had not yet given to its disk is gone then,
as with a real machine whose disk keeps what it confirmed. Both outbox and the bridge's record lie on that disk, and the
next boot goes on with it. Clock jumps: the machine's wall clock is set a year ahead and back while both run. Lossy net:
its kernel (netem) drops 30 % of all packets and holds each back by 300 ms, both ways, and now and then drops all.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.link_faults import ToolAbsent
from benchmarks.link_ordeal import judge, pause
from benchmarks.link_peer import LOSS_PCT, netem

_DISK_BYTES = 48 << 20
_BOOT_S = 600.0  # of silence: a machine that shares its core with many others boots slowly
_SILENT_S = {"lossy_net": 3_600.0}  # what waits in the outbox at the end goes slowly
_PAUSE_S = {"lossy_net": 0.2}  # between two envelopes, at most: so that outages meet what waits, and not its end alone
_KEPT = re.compile(r"([0-9a-f]{16}) (\d+) (\d)\s*")
_NETEM = """\
insmod /usr/lib/uml/modules/$(uname -r)/kernel/net/sched/sch_netem.ko
tc qdisc add {rule}
"""
_INIT = """\
#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin PYTHONPATH={tree} PYTHONDONTWRITEBYTECODE=1 HOME=/run
exec 2>>{folder}/errors
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
mkdir /run/disk
mount -t ext4 /dev/ubda /run/disk
ip link set lo up mtu 1500
{net}
set -- $(cat {folder}/task)
{python} -m benchmarks.link_peer both /run/disk/seen.sqlite /run/disk/outbox.sqlite "$@" </dev/null \\
  && cp /run/disk/seen.sqlite* {folder}/ && echo finished
halt -f
"""


@dataclass
class Machine:
    """`faults` power cuts, clock jumps or outages of a lossy net, while a device puts `envelopes`; needs Debian's
    user-mode-linux, iproute2 and kmod, no privileges."""

    kind: str  # power_cut, clock_jump, lossy_net
    folder: Path
    envelopes: int
    faults: int
    seed: int
    synchronous: str = "FULL"  # of every store; with less the test must find losses, or it could not fail
    stop: threading.Event = field(default_factory=threading.Event)  # set: the machine is ended
    acknowledged: list[tuple[str, int, int]] = field(default_factory=list)
    _happened: int = 0

    def run(self) -> dict[str, Any]:
        """Play it, and count what was lost, doubled and out of order. Raises ToolAbsent, Stopped."""
        kernel, format_disk = shutil.which("linux.uml"), shutil.which("mkfs.ext4", path="/usr/sbin:/sbin")
        if kernel is None or format_disk is None:
            raise ToolAbsent("power cuts need User-Mode Linux: apt-get install user-mode-linux e2fsprogs")
        self.folder.mkdir(parents=True)
        disk, init = self.folder / "disk", self.folder / "init"
        with disk.open("wb") as file:
            file.truncate(_DISK_BYTES)
        subprocess.run([format_disk, "-q", "-F", disk], check=True, timeout=60.0)
        tree = Path(__file__).resolve().parents[1]
        net = _NETEM.format(rule=" ".join(netem(LOSS_PCT))) if self.kind == "lossy_net" else ""
        init.write_text(_INIT.format(tree=tree, folder=self.folder, python=sys.executable, net=net))
        init.chmod(0o755)
        rng = random.Random(self.seed)  # noqa: S311
        began = time.monotonic()
        cuts = self.faults if self.kind == "power_cut" else 0
        for number in range(cuts):
            share = self.envelopes * (number + rng.random()) / cuts
            self._live(kernel, disk, init, rng, max(share, len(self.acknowledged) + 1))
        self._live(kernel, disk, init, rng, None)
        found = judge(self.folder / "seen.sqlite", self.acknowledged)
        return {**found, "faults_injected": cuts + self._happened, "seconds": round(time.monotonic() - began, 1)}

    def _live(self, kernel: str, disk: Path, init: Path, rng: random.Random, due: float | None) -> None:
        """One life of the machine: until so many envelopes are acknowledged and a moment more, or until all is done."""
        left = max(1, self.envelopes - len(self.acknowledged))
        times = 0 if self.kind == "power_cut" else self.faults
        task = (left, _PAUSE_S.get(self.kind, 0.002), rng.getrandbits(32), self.synchronous, self.kind, times)
        (self.folder / "task").write_text(" ".join(map(str, task)))
        words = ["rootfstype=hostfs", "rootflags=/", "root=/dev/root", "rw", "mem=384M", "con=null", "con0=null,fd:1"]
        command = [kernel, *words, f"ubd0={disk}", f"init={init}", "quiet", f"uml_dir={self.folder}/"]
        machine = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, start_new_session=True
        )
        assert machine.stdout is not None
        os.set_blocking(machine.stdout.fileno(), False)
        end, rest, finished, cut_s = time.monotonic() + _SILENT_S.get(self.kind, _BOOT_S), b"", False, float("inf")
        try:
            running = True
            while not finished and running and time.monotonic() < min(end, cut_s):
                pause(self.stop, 0.0)
                select.select([machine.stdout], [], [], min(0.1, max(0.0, cut_s - time.monotonic())))
                running = machine.poll() is None  # what it said before is read yet
                *lines, rest = (rest + (machine.stdout.read() or b"")).split(b"\n")
                for line in lines:
                    end = time.monotonic() + _SILENT_S.get(self.kind, _BOOT_S)
                    if kept := _KEPT.fullmatch(line.decode(errors="replace")):
                        self.acknowledged.append((kept[1], int(kept[2]), int(kept[3])))
                    finished = finished or line.strip() == b"finished"
                    self._happened += line.strip() == b"happened"
                if due is not None and len(self.acknowledged) >= due and cut_s == float("inf"):
                    cut_s = time.monotonic() + rng.random() * 0.2
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(machine.pid, signal.SIGKILL)  # the power is gone
            machine.wait()
        if finished == (due is not None):
            errors = (self.folder / "errors").read_text() if (self.folder / "errors").exists() else "no boot"
            raise RuntimeError(
                f"the machine {'ended early' if finished else 'did not come to its end'}: {errors[-400:]}"
            )
