"""Two bridges at one broker, and one is killed with SIGKILL under load."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.fleet_broker import killed_at_a_broker
from benchmarks.fleet_processes import simulated_model
from benchmarks.link_faults import ToolAbsent
from edge.uplink import ACK_S


def test_a_bridge_that_is_killed_at_a_shared_broker_loses_nothing(tmp_path: Path) -> None:
    """Real bridges, Mosquitto, Redis and device links: every turn is answered, none twice, every envelope acknowledged;
    and the devices hear from the broker that nobody listens, long before their own patience ends."""
    try:
        with simulated_model() as model:
            found = killed_at_a_broker(tmp_path, model, 8, 10.0)
    except ToolAbsent as error:
        pytest.skip(str(error))
    assert found["broker_kill_turns"] == 16
    assert found["broker_kill_devices_moved"] >= 1
    assert found["broker_kill_turns_lost"] == found["broker_kill_turns_answered_twice"] == 0
    assert found["broker_kill_unacknowledged"] == 0
    assert found["broker_kill_gap_max_s"] < ACK_S
