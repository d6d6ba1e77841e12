"""The fuzzing of the wire in its short form; the long one is `python -m tests.fuzz_wire`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def test_nothing_that_strangers_send_breaks_what_reads_it(tmp_path: Path) -> None:
    """Packets, JSON, topics, the enrolment desk, the frames in a damaged outbox: taken or refused, and never twice; no
    words in a log."""
    command = [sys.executable, "-m", "tests.fuzz_wire", "--runs", "30000", "--seed", "5"]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[3], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    counts = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    assert counts["inputs"] == 30_000
    for target in ("uplink", "downlink", "json", "envelope", "topic", "hello", "publication"):
        assert counts[f"{target}_taken"] > 0
        assert counts[f"{target}_refused"] > 0
