"""The report is made of the JSON files and of nothing else."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from benchmarks import report, results
from benchmarks.report import shown

RUN = {
    "name": "loop",
    "commit": "abc1234",
    "machine": "some processor",
    "date": "2026-11-22T12:00:00+00:00",
    "command": "mien bench loop --peers",
    "quick": False,
    "metrics": {"talking_pct_core": 30.0, "idle_pct_core": 4.0, "dropped": 0, "rss_peak_mb": 100.0},
    "peers": {"Other": {"cpu_ms_per_s": 50.0, "ours_cpu_ms_per_s": 10.0, "rss_peak_mb": 150.0, "theirs_only": 1.0}},
    "detail": {"not_measured": {"fer": "cannot be installed"}},
}


def test_each_figure_names_its_run_and_stands_beside_its_bar(tmp_path: Path) -> None:
    """Machine, commit, date and command of every table; a missed bar is called missed."""
    (tmp_path / "loop.json").write_text(json.dumps(RUN))
    text = results.write(tmp_path, tmp_path / "out").read_text(encoding="utf-8")
    assert "2026-11-22T12:00:00+00:00 · commit abc1234 · some processor · `mien bench loop --peers`" in text
    assert "| `talking_pct_core` | 30.000 | ≤ 25.000 | ≤ 10.000 | missed |" in text
    assert "| `idle_pct_core` | 4.000 | ≤ 5.000 | ≤ 2.000 | bar |" in text
    assert "| loop `cpu_ms_per_s` | Other | 50.000 | 10.000 | 5.00 |" in text
    assert "fer: cannot be installed" in text
    assert (tmp_path / "out/plots/loop.svg").is_file()


def test_the_report_of_the_same_files_is_the_same(tmp_path: Path) -> None:
    """So that a change in it is a change of figures."""
    (tmp_path / "loop.json").write_text(json.dumps(RUN))
    made = [(file, (file.parent / "plots/loop.svg")) for file in (results.write(tmp_path, tmp_path / n) for n in "ab")]
    assert made[0][0].read_bytes() == made[1][0].read_bytes()
    assert made[0][1].read_bytes() == made[1][1].read_bytes()


def test_only_what_both_sides_measured_is_compared() -> None:
    """A figure that only the peer has is no ratio."""
    assert [one[1] for one in results.ratios(RUN)] == ["cpu_ms_per_s", "rss_peak_mb"]


def test_parts_of_an_earlier_run_are_called_so(tmp_path: Path) -> None:
    """A table's head names one commit; what was taken at another says which."""
    parts = {"speed": ("abc1234", "2026-11-23T05:00:00"), "cut": ("0000001", "2026-11-23T03:00:00")}
    detail = {"parts": {name: {"commit": commit, "date": date} for name, (commit, date) in parts.items()}}
    (tmp_path / "loop.json").write_text(json.dumps({**RUN, "detail": detail}))
    text = results.write(tmp_path, tmp_path / "out").read_text(encoding="utf-8")
    assert "Parts of an earlier run: cut (commit 0000001, 2026-11-23)." in text


def test_a_smoke_run_is_called_one(tmp_path: Path) -> None:
    """Its figures must not be taken for results."""
    (tmp_path / "loop.json").write_text(json.dumps({**RUN, "quick": True}))
    assert "figures mean nothing" in results.write(tmp_path, tmp_path).read_text(encoding="utf-8")


def test_without_results_there_is_no_report(tmp_path: Path) -> None:
    """An empty report would say that nothing was missed."""
    with pytest.raises(FileNotFoundError, match="mien bench all"):
        results.write(tmp_path, tmp_path)


def test_each_bar_has_one_direction_and_an_aim_beyond_it() -> None:
    """A bar that cannot be read would pass for met."""
    bars = tomllib.loads(Path(results.__file__).with_name("bars.toml").read_text(encoding="utf-8"))
    for metrics in bars.values():
        for bar in metrics.values():
            assert set(bar) in ({"most", "aim"}, {"least", "aim"})
            assert bar["aim"] <= bar["most"] if "most" in bar else bar["aim"] >= bar["least"]


def test_one_lost_thing_is_not_a_hundred_per_cent() -> None:
    """Counts and ratios are told as numbers, shares as per cent."""
    assert shown("dropped", 1.0).strip() == "1.000"
    assert shown("chain_vs_mediapipe", 0.9).strip() == "0.900"
    assert shown("ferplus8_acc", 0.9).strip() == "90.00 %"


def test_a_figure_without_end_is_null_in_json_and_misses_its_bar(tmp_path: Path) -> None:
    """What mostly never came has no median; strict readers of JSON take the file all the same."""
    result = report.Result({"change_delay_s": float("inf"), "update_ms": 0.1})
    file = report.write("joint", result, tmp_path, quick=False)
    content = json.loads(file.read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert content["metrics"] == {"change_delay_s": None, "update_ms": 0.1}
    table = results.write(tmp_path, tmp_path / "out").read_text(encoding="utf-8")
    assert next(line for line in table.splitlines() if "`change_delay_s`" in line).endswith("| missed |")


def test_what_could_not_be_measured_is_not_told_as_endless(tmp_path: Path) -> None:
    """A gap of nobody is no figure; one that never ended is one, and misses every bar."""
    result = report.Result({"broker_kill_gap_max_s": float("inf"), "kill_gap_max_s": float("nan"), "turns_lost": 0})
    report.write("fleet", result, tmp_path, quick=False)
    (run,) = results.read(tmp_path)
    assert run["metrics"] == {"broker_kill_gap_max_s": float("inf"), "turns_lost": 0}
