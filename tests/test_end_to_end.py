"""The whole loop, with nothing faked: two processes, real models, a real language model, a real voice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

MIEN = [sys.executable, "-m", "edge.cli"]


def events(file: Path, kind: str) -> list[dict[str, Any]]:
    """Lines of one type that the demo kept."""
    lines = (json.loads(line) for line in file.read_text().splitlines())
    return [line for line in lines if kind in (line.get("type"), line.get("event"))]


def sound(file: Path) -> np.ndarray:
    with wave.open(str(file)) as wav:
        return np.frombuffer(wav.readframes(wav.getnframes()), np.int16)


@pytest.fixture(scope="module")
def demo(clips: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `mien demo` kept of one run on a clip of a talking person."""
    out = tmp_path_factory.mktemp("demo")
    clip = next(one for one in clips if one.stem == "lwbsza")
    state = {**os.environ, "MIEN_LLM": "tiny", "MIEN_STATE": str(out / "state")}
    done = subprocess.run(
        [*MIEN, "demo", "--clip", str(clip), "--out", str(out), "--yes"],
        env=state,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    (out / "screen.txt").write_text(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def test_a_conversation_runs_through_all_of_it(demo: Path) -> None:
    """Face, voice and words go in; a description is sent; a spoken answer comes back and is kept."""
    states = events(demo / "device.jsonl", "state")
    assert any(state["face"] for state in states)
    assert any(state["voice"] for state in states)
    assert any(state["attention"] for state in states)
    words = {state["words"] for state in states if state["words"]}
    assert any("white" in said.lower() and "again" in said.lower() for said in words), words
    assert events(demo / "device.jsonl", "description")
    assert any(reply.get("text") for reply in events(demo / "device.jsonl", "reply"))
    answer = sound(demo / "reply.wav")
    assert len(answer) > 22_050 / 2
    assert np.abs(answer.astype(np.int32)).max() > 2_000, "the reply is silent"


def test_the_summary_tells_latency_memory_and_bytes(demo: Path) -> None:
    """The last screen's figures are measured, not missing."""
    summary = events(demo / "device.jsonl", "summary")[-1]
    for key in ("start_to_first_observation_s", "audio_p99_ms", "video_p99_ms", "first_audio_ms", "peak_mb"):
        assert summary[key] > 0, key
    assert summary["face_found_pct"] > 95
    assert 0 < summary["bytes_sent"] < 50_000
    assert "end of speech" in (demo / "screen.txt").read_text()


def test_nothing_that_was_said_or_felt_is_in_the_bridges_lines(demo: Path) -> None:
    """The bridge tells stages and times, never content."""
    text = (demo / "bridge.jsonl").read_text().lower()
    assert "white" not in text
    assert "neutral" not in text


def test_the_turn_can_be_drawn_and_its_words_were_not_kept(demo: Path) -> None:
    """Device, link and bridge are on one axis of the turn's trace; without consent no word of it was kept."""
    kept = demo / "state" / "bridge" / "history.sqlite"
    command = [sys.executable, "-m", "cloud_bridge.cli", "trace", "--history", str(kept), "--json"]
    traced = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    lanes = {one["lane"] for one in traced["stages"]}
    assert {"device", "link", "bridge", "model", "voice"} <= lanes
    ends = {(one["lane"], one["name"]): one["end_ms"] for one in traced["stages"]}
    assert 0 < ends["device", "is over"] <= ends["device", "first sound"]
    assert b"white" not in kept.read_bytes().lower()


def test_ctrl_c_ends_both_processes_cleanly(clips: list[Path], tmp_path: Path) -> None:
    """One Ctrl-C: no traceback, no child left behind."""
    env = {**os.environ, "MIEN_LLM": "tiny", "MIEN_STATE": str(tmp_path / "state")}
    command = [*MIEN, "demo", "--clip", str(clips[0]), "--out", str(tmp_path), "--yes"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        ready = tmp_path / "device.jsonl"
        end_s = time.monotonic() + 120
        while not (ready.is_file() and '"state"' in ready.read_text()) and time.monotonic() < end_s:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert "Traceback" not in out + err
    assert not _children_with(str(tmp_path))


def _children_with(text: str) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in line and "pytest" not in line:
            found.append(line)
    return found


def test_no_face_no_state(data: Path) -> None:
    """A clip without a face: no face state, no crash, nothing invented."""
    done = subprocess.run(
        [*MIEN, "analyze", str(data / "clips" / "no_face.mp4"), "--jsonl"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = json.loads(done.stdout)
    assert found["face"] is None
    assert found["voice"] is None
    assert found["words"] is None
    assert found["state"] is None
    assert found["description"] is None
