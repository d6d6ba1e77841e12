"""A rolling restart: one bridge after the other is ended and begun anew under load."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks.fleet_processes import bridge_process, load_process, simulated_model
from benchmarks.link_faults import free_port
from tests.sim.redis import Redis

DEVICES, SECONDS, TURN_EVERY = 30, 14.0, 6


def test_a_rolling_restart_loses_no_turn(tmp_path: Path) -> None:
    """Real processes, a real Redis, SIGTERM: every turn is answered, none twice, every envelope acknowledged."""
    with ExitStack() as stack:
        model = stack.enter_context(simulated_model())
        redis = Redis(tmp_path)
        stack.callback(redis.close)
        ports = [free_port(), free_port()]

        def start(port: int) -> subprocess.Popen[str]:
            folder, more = tmp_path / f"b{port}", ("--redis", redis.url)
            return stack.enter_context(bridge_process(folder, model, port, *more, core=False))

        running = [start(port) for port in ports]
        bridges = ",".join(f"127.0.0.1:{port}" for port in ports)
        load = load_process(bridges, "r", DEVICES, SECONDS, TURN_EVERY)
        time.sleep(5)
        for port, process in zip(ports, running, strict=True):
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
            start(port)
            time.sleep(1)
        found = json.loads(load.communicate(timeout=90)[0])
    assert found["turns"] >= DEVICES
    assert len(found["gaps_s"]) >= DEVICES / 3, "devices were cut off and came back"
    assert (found["lost"], found["answered_twice"], found["unacknowledged"]) == (0, 0, 0)
