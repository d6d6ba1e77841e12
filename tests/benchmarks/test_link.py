"""The link's ordeals in their short form: real processes, really killed. The long form is `mien bench link`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks.link import _KINDS, _Ordeal


@pytest.mark.parametrize("kind", ["bridge_kill", "device_kill", "broker_kill", "cut"])
def test_no_fault_loses_or_doubles_what_was_acknowledged(kind: str, tmp_path: Path) -> None:
    """Two faults at random moments: every envelope that put() returned for is among the application's effects, once,
    in order per priority."""
    if _KINDS[kind] == "mqtt" and not (shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")):
        pytest.skip("needs a broker: apt-get install mosquitto")
    outcome = _Ordeal(kind, tmp_path / kind, envelopes=80, faults=2, seed=6).run()
    assert outcome["envelopes"] >= 80
    assert outcome["faults_injected"] == 2
    assert (outcome["acknowledged_lost"], outcome["duplicates_delivered"], outcome["out_of_order"]) == (0, 0, 0)
