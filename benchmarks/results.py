"""`mien bench report`: the JSON files of the benchmarks become `RESULTS.md` and its pictures. Nothing in it is
written by hand, so that each figure names its machine, commit and command.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.report import shown

_BARS = Path(__file__).with_name("bars.toml")
_ORDER = ("loop", "voice", "face", "joint", "reply", "link", "fleet", "boards", "soak")

Run = Mapping[str, Any]  # one JSON file
Bars = Mapping[str, Mapping[str, Mapping[str, float]]]


def write(folder: Path, out: Path) -> Path:
    """`RESULTS.md` and `plots/*.svg` in `out`, from every `*.json` in `folder`. Raises FileNotFoundError."""
    runs = read(folder)
    if not runs:
        raise FileNotFoundError(f"no results in {folder}: run `mien bench all` first")
    bars: Bars = tomllib.loads(_BARS.read_text(encoding="utf-8"))
    out.mkdir(parents=True, exist_ok=True)
    plots = _plots(runs, bars, out / "plots")
    file = out / "RESULTS.md"
    file.write_text("\n".join(_lines(runs, bars, plots)) + "\n", encoding="utf-8")
    return file


def read(folder: Path) -> list[Run]:
    """Every benchmark's newest result, in the order that the report tells them; a figure without end is `inf`."""
    runs = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.json"))]
    runs = [one for one in runs if isinstance(one, dict) and "metrics" in one and "name" in one]
    for one in runs:
        one["metrics"] = {key: math.inf if value is None else value for key, value in one["metrics"].items()}
    place = {name: index for index, name in enumerate(_ORDER)}
    return sorted(runs, key=lambda one: (place.get(one["name"], len(place)), one["name"]))


def ratios(run: Run) -> list[tuple[str, str, float, float]]:
    """(peer, measure, theirs, ours) of what was measured on both sides in the same run.

    Ours stands beside theirs as `ours_MEASURE`, or is the benchmark's own metric of that name.
    """
    found = []
    for peer, measures in run.get("peers", {}).items():
        for measure, theirs in measures.items():
            ours = measures.get(f"ours_{measure}", run["metrics"].get(measure))
            if not measure.startswith("ours_") and ours is not None:
                found.append((peer, measure, float(theirs), float(ours)))
    return found


def verdict(value: float, bar: Mapping[str, float] | None) -> str:
    """`aim`, `bar` or `missed`; empty where no bar is set."""
    if bar is None:
        return ""
    sign = 1.0 if "most" in bar else -1.0
    if sign * value <= sign * bar["aim"]:
        return "aim"
    return "bar" if sign * value <= sign * bar.get("most", bar.get("least", 0.0)) else "missed"


def _lines(runs: Sequence[Run], bars: Bars, plots: Sequence[str]) -> list[str]:
    lines = [
        "# Results",
        "",
        "Written by `mien bench report` from the benchmarks' JSON files; do not edit. How each figure is measured",
        "stands in the benchmark of its name. Milliseconds and megabytes are this machine's; ratios carry further.",
        "",
    ]
    compared = [(run, one) for run in runs for one in ratios(run)]
    if compared:
        lines += [
            "## Beside others, same input, same run",
            "",
            "| | peer | theirs | ours | theirs / ours |",
            "|---|---|---|---|---|",
        ]
        for run, (peer, measure, theirs, ours) in compared:
            ratio = f"{theirs / ours:.2f}" if ours else ""
            lines.append(
                f"| {run['name']} `{measure}` | {peer} | {_cell(measure, theirs)} | {_cell(measure, ours)} | {ratio} |"
            )
        lines.append("")
    for plot in plots:
        lines += [f"![{plot}](plots/{plot}.svg)", ""]
    for run in runs:
        lines += [f"## {run['name']}", ""]
        if run.get("quick"):
            lines += ["**A smoke run (`--quick`): these figures mean nothing.**", ""]
        lines += [f"{run['date']} · commit {run['commit']} · {run['machine']} · `{run['command']}`", ""]
        lines += ["| | measured | bar | aim | |", "|---|---|---|---|---|"]
        for metric, value in run["metrics"].items():
            bar = bars.get(run["name"], {}).get(metric)
            sign = "" if bar is None else "≤ " if "most" in bar else "≥ "
            wanted = "" if bar is None else sign + _cell(metric, bar.get("most", bar.get("least", 0.0)))
            aim = "" if bar is None else sign + _cell(metric, bar["aim"])
            lines.append(f"| `{metric}` | {_cell(metric, value)} | {wanted} | {aim} | {verdict(value, bar)} |")
        lines.append("")
        older: defaultdict[str, list[str]] = defaultdict(list)
        for part, origin in run.get("detail", {}).get("parts", {}).items():
            if origin["commit"] != run["commit"]:
                older[f"commit {origin['commit']}, {origin['date'][:10]}"].append(part)
        if older:
            told = (f"{', '.join(parts)} ({when})" for when, parts in older.items())
            lines += ["Parts of an earlier run: " + "; ".join(told) + ".", ""]
        missing = run.get("detail", {}).get("not_measured")
        if missing:
            lines += ["Not measured: " + "; ".join(f"{key}: {why}" for key, why in missing.items()) + ".", ""]
    return lines


def _cell(metric: str, value: float) -> str:
    return shown(metric, float(value)).strip()


def _plots(runs: Sequence[Run], bars: Bars, folder: Path) -> list[str]:
    """A picture per benchmark with bars: each figure as a share of its bar. Names of the files, without suffix."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot

    mpl.rcParams.update({"svg.hashsalt": "mien", "svg.fonttype": "none", "font.size": 8})
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for run in runs:
        wanted = bars.get(run["name"], {})
        rows = [
            (metric, _used(run["metrics"][metric], bar)) for metric, bar in wanted.items() if metric in run["metrics"]
        ]
        rows = [(metric, used) for metric, used in rows if used is not None]
        if not rows or run.get("quick"):
            continue
        figure, axes = pyplot.subplots(figsize=(7.0, 0.5 + 0.22 * len(rows)))
        names, values = zip(*reversed(rows), strict=True)
        colours = ["#3a7d44" if value <= 1.0 else "#b5473c" for value in values]
        axes.barh(names, [min(value, 2.0) for value in values], color=colours, height=0.65)
        axes.axvline(1.0, color="#444444", linewidth=1)
        axes.set_xlim(0, 2)
        axes.set_xlabel(f"{run['name']}: share of its bar that each figure takes; right of the line it is missed")
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        figure.savefig(folder / f"{run['name']}.svg", bbox_inches="tight", metadata={"Date": None})
        pyplot.close(figure)
        made.append(str(run["name"]))
    return made


def _used(value: float, bar: Mapping[str, float]) -> float | None:
    """How much of its bar a figure takes: up to 1 it is met."""
    if "most" in bar:
        return None if bar["most"] == 0 else value / bar["most"]
    return bar["least"] / value if value > 0 else 2.0
