"""The link's ordeals in their short form: real processes, really killed. The long form is `mien bench link`."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import IO

import pytest

from benchmarks import link, link_cost
from benchmarks.link_cores import POSSIBLE
from benchmarks.link_faults import ToolAbsent
from benchmarks.link_latency import latency
from benchmarks.link_ordeal import KINDS, Ordeal
from benchmarks.link_power import Machine
from benchmarks.link_work import Work
from benchmarks.parts import Parts


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_no_fault_loses_or_doubles_what_was_acknowledged(kind: str, tmp_path: Path) -> None:
    """Two faults at random moments: every envelope that put() returned for is among the application's effects, once,
    in order per priority."""
    try:
        outcome = Ordeal(kind, tmp_path / kind, envelopes=80, faults=2, seed=6, long_cut_s=1.0).run()
    except ToolAbsent as error:
        pytest.skip(str(error))
    assert outcome["envelopes"] >= 80
    assert outcome["faults_injected"] == 2
    assert (outcome["acknowledged_lost"], outcome["duplicates_delivered"], outcome["out_of_order"]) == (0, 0, 0)


@pytest.mark.parametrize("broker", ["iotcore", "nats"])
def test_other_brokers_carry_the_link(broker: str, tmp_path: Path) -> None:
    """One that speaks MQTT 5 with gaps, and one that speaks 3.1.1 only: over a restart of it nothing is lost."""
    try:
        ordeal = Ordeal("broker_restart", tmp_path / broker, envelopes=40, faults=1, seed=6, broker=broker)
        outcome = ordeal.run()
    except ToolAbsent as error:
        pytest.skip(str(error))
    assert (outcome["acknowledged_lost"], outcome["duplicates_delivered"], outcome["out_of_order"]) == (0, 0, 0)


@pytest.mark.parametrize("kind", ["power_cut", "clock_jump", "lossy_net"])
def test_a_machine_loses_nothing_that_was_acknowledged(kind: str, tmp_path: Path) -> None:
    """One that loses what its kernel had not written yet, one whose clock jumps by a year, and one whose net drops 30 %
    of all packets, 300 ms late, and for a while all: device and bridge go on where they were told."""
    try:
        outcome = Machine(kind, tmp_path / kind, envelopes=40, faults=1, seed=6).run()
    except ToolAbsent as error:
        pytest.skip(str(error))
    assert outcome["envelopes"] >= 40
    assert outcome["faults_injected"] == 1
    assert (outcome["acknowledged_lost"], outcome["duplicates_delivered"], outcome["out_of_order"]) == (0, 0, 0)


def test_a_store_that_promises_too_much_is_caught(tmp_path: Path) -> None:
    """The power cut can tell: with stores that do not wait for the disk, acknowledged envelopes are gone."""
    try:
        outcome = Machine("power_cut", tmp_path / "weak", envelopes=40, faults=1, seed=6, synchronous="NORMAL").run()
    except ToolAbsent as error:
        pytest.skip(str(error))
    assert outcome["acknowledged_lost"] > 0


def test_the_flash_budget_is_kept(tmp_path: Path) -> None:
    """Docs/link.md promises at most 25 MB an hour without a link and 1 MB with one; the kernel counts the pages."""
    found = link_cost.writes(tmp_path / "writes")
    assert found["outbox_cut_mb_per_h"] <= 25
    assert found["outbox_online_mb_per_h"] <= 1


def test_each_way_is_timed_where_cores_halt_and_where_they_do_not(tmp_path: Path) -> None:
    """With its floor beside it, in one run; the one without the other would tell of the hypervisor, or of us alone."""
    try:
        found, work = latency(tmp_path, 4)
    except ToolAbsent as error:
        pytest.skip(str(error))
    floors = {"tcp_floor", "mqtt_qos0_floor"}
    ways = floors | {"mqtt_qos0", "mqtt_qos1", "mqtt_qos2", "grpc"}
    assert work.keys() == ways - floors
    for state in ("", "_awake", "_one_core") if POSSIBLE else ("",):
        assert all(found[f"{way}{state}_p50_ms"] > 0 for way in ways)
        assert found[f"mqtt_qos0_one_way{state}_p50_ms"] < found[f"mqtt_qos0{state}_p50_ms"]


def test_the_parts_of_two_runs_make_one_result(tmp_path: Path) -> None:
    """Every ordeal counts, and each part tells its commit; what is absent is not zero."""
    kinds = [name for name in link.PARTS if name in KINDS]
    outcome = dict.fromkeys(("acknowledged_lost", "duplicates_delivered", "out_of_order", "calls_repeated"), 0)
    for name in kinds:
        told = {"commit": "abc1234", "date": "2026-11-23T03:00:00+00:00", "seconds": 1.0}
        (tmp_path / f"{name}.json").write_text(json.dumps({**told, "found": {**outcome, "faults_injected": 20}}))
    parts = Parts(link.PARTS, tmp_path, only=["none"])
    result = link.measure(None, quick=False, peers=False, parts=parts)
    assert result.metrics == {**outcome, "faults_injected": 20 * len(kinds)}
    assert set(result.detail["parts"]) == set(kinds)


def test_what_the_ends_work_is_counted() -> None:
    """Processor time and sleeps of both processes, by round trip; what happens outside of the `with` is not counted."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as other:
        assert other.stdin is not None
        assert other.stdout is not None

        def trips(count: int, there: IO[bytes], back: IO[bytes]) -> None:
            for _ in range(count):
                time.sleep(0.001)
                there.write(b".")
                back.read(1)

        work = Work()
        trips(200, other.stdin, other.stdout)
        for _ in range(2):
            with work.of("pipe", 50, other.pid):
                trips(50, other.stdin, other.stdout)
        found = work.each()["pipe"]
        other.stdin.close()
    assert found["device_cpu_us"] > 0
    assert found["other_cpu_us"] > 0
    assert 1 <= found["device_wakes"] < 3
    assert 0.5 <= found["other_wakes"] < 2
