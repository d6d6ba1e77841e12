"""The loop with the memory of a small board, and what it would take of the processors of some.

Caps are real: the talking-head clips run through `mien replay` in a control group of 1,000, 512 and 400 MB, on one core
of which it may have half or a quarter. Board loads are projected: the same clips without a cage and ncnn's reference
nets run in the same session, and the ratio to the times that ncnn publishes for a board scales the loop's load.
`mien bench boards`; `mien bench report` writes its tables into docs/boards.md.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import boards_cage, loop
from benchmarks.boards_cage import Cage
from benchmarks.peers import PeerMissing, ask
from benchmarks.report import Result

NEEDS_DATA = True
_CAGES = (Cage(1000, 50), Cage(512, 50), Cage(400, 50), Cage(400, 25))
_RUNS = 30  # of each reference net

# Milliseconds of one pass on one thread, as ncnn's benchmark/README.md gives them (github.com/Tencent/ncnn, `avg`, read
# 2026-11-22). The page as we could read it has no one-thread run of a Pi 5: RK3588's big core is the same at its clock.
# On A76 and A78AE ncnn counts in 16 bit floats, twice as fast as the 32 bit of our face nets: there it is too kind.
PUBLISHED_MS: Mapping[str, Mapping[str, float]] = {
    "pi_5": {"squeezenet": 15.70, "mobilenet": 23.36, "resnet18": 42.48},  # RK3588, Cortex-A76 2.4 GHz
    "pi_4": {"squeezenet": 73.96, "mobilenet": 124.32, "resnet18": 191.10},  # Cortex-A72 1.8 GHz
    "pi_3b_plus": {"squeezenet": 125.58, "mobilenet": 205.65, "resnet18": 379.57},  # Cortex-A53 1.4 GHz
    "pi_zero_2_w": {"squeezenet": 240.77, "mobilenet": 393.94, "resnet18": 654.69},  # Cortex-A53 1.0 GHz
    "jetson_agx_orin": {"squeezenet": 11.74, "mobilenet": 19.65, "resnet18": 31.08},  # Cortex-A78AE 2.2 GHz
}


def measure(data: Path | None, *, quick: bool, peers: bool) -> Result:
    """Per cap whether it survived, its peak, load and drops; per board the projected load, named as such."""
    assert data is not None
    clips = sorted((data / "clips").glob("*.mpg"))
    with tempfile.TemporaryDirectory() as scratch:
        clip = Path(scratch) / "talking.nut"
        loop._record(clip, clips[:1] if quick else clips)
        free = loop._run(clip, Path(scratch), "--no-words")
        runs = {
            f"{cage.memory_mb}mb_{cage.core_pct}pct{'_words' if words else ''}": caged(cage, clip, Path(scratch), words)
            for cage in (_CAGES[-2:-1] if quick else _CAGES)
            for words in ((False,) if quick else (False, True))
        }
    metrics: dict[str, float] = {"talking_pct_core": free["cpu_pct_core"], "rss_peak_mb": free["peak_mb"]}
    for name, one in runs.items():
        metrics[f"survived_{name}"] = float(one["survived"])
        if one["survived"]:
            metrics[f"rss_peak_{name}_mb"] = one["peak_mb"]
            metrics[f"talking_{name}_pct_core"] = one["cpu_pct_core"]
            metrics[f"lost_audio_{name}"] = one["dropped"]["audio"]
            metrics[f"steps_down_{name}"] = len(one["levels"])
    detail: dict[str, Any] = {"free": free, "caps": runs}
    try:
        detail["reference_ms"] = here = ask("ncnn", "reference_nets", 1 if quick else _RUNS)
    except PeerMissing as error:
        return Result(metrics, detail=detail | {"not_measured": {"projection": str(error)}})
    detail["projected"] = {board: _projected(here, free["cpu_pct_core"], ms) for board, ms in PUBLISHED_MS.items()}
    metrics |= {f"projected_{board}_pct_core": one["pct_core"] for board, one in detail["projected"].items()}
    return Result(metrics, detail=detail | {"published_ms": PUBLISHED_MS})


def _projected(here: Mapping[str, float], pct_core: float, board: Mapping[str, float]) -> dict[str, float]:
    slower, least, most = times_slower(here, board)
    return {
        "times_slower": slower,
        "pct_core": slower * pct_core,
        "least_pct_core": least * pct_core,
        "most_pct_core": most * pct_core,
    }


def caged(cage: Cage, clip: Path, scratch: Path, words: bool) -> dict[str, Any]:
    """One run of `mien replay` in `cage`, told of the memory it has: its summary, and what the cage tells."""
    settings = scratch / "board.toml"
    settings.write_text(f"memory_mb = {int(0.9 * cage.memory_mb)}\n", encoding="utf-8")
    command = [sys.executable, "-m", "edge.cli", "replay", str(clip), "--config", str(settings), "--consent", "--json"]
    command.append("--words" if words else "--no-words")
    ended = boards_cage.run(cage, command, {**os.environ, "MIEN_STATE": str(scratch), "OMP_NUM_THREADS": "1"})
    lines = [json.loads(line) for line in ended.pop("output").splitlines() if line.startswith("{")]
    summary = next((line for line in reversed(lines) if line["type"] == "summary"), None)
    levels = {line["level"] for line in lines if line["type"] == "health"}
    survived = ended["status"] == 0 and summary is not None
    return {**ended, **(summary or {}), "survived": survived, "levels": sorted(levels - {""})}


def times_slower(here: Mapping[str, float], board: Mapping[str, float]) -> tuple[float, float, float]:
    """How many times longer `board` takes than this machine: the nets' geometric mean, least and most."""
    ratios = np.array([board[net] / here[net] for net in board])
    return float(np.exp(np.log(ratios).mean())), float(ratios.min()), float(ratios.max())
