"""The tables of docs/boards.md, from the result of `mien bench boards`: no figure in them is written by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.report import ROOT

PAGE = ROOT / "docs/boards.md"

_BOARDS = {  # of boards.PUBLISHED_MS: name for people, cores
    "jetson_agx_orin": ("Jetson AGX Orin (A78AE 2.2 GHz)", 12),
    "pi_5": ("Pi 5 (A76 2.4 GHz)", 4),
    "pi_4": ("Pi 4 (A72 1.8 GHz)", 4),
    "pi_3b_plus": ("Pi 3B+ (A53 1.4 GHz)", 4),
    "pi_zero_2_w": ("Zero 2 W (A53 1.0 GHz)", 4),
}

Run = Mapping[str, Any]  # boards.json


def write(run: Run, page: Path = PAGE) -> None:
    """Put the tables of `run` into `page`, between the marks that bear their names. Raises ValueError without marks."""
    text = page.read_text(encoding="utf-8")
    for name, lines in (("caps", _caps(run)), ("projection", _projection(run))):
        begin, end = f"<!-- {name}: by `mien bench report` -->\n", f"<!-- end of {name} -->\n"
        before, begun, rest = text.partition(begin)
        _, ended, after = rest.partition(end)
        if not (begun and ended):
            raise ValueError(f"{page} has no place for the table '{name}': {begin.strip()} … {end.strip()}")
        text = "\n".join([before + begun, *lines, "", ended + after])
    page.write_text(text, encoding="utf-8")


def _origin(run: Run) -> str:
    return f"{run['date'][:10]}, commit {run['commit']}, {run['machine']}, `{run['command']}`"


def _caps(run: Run) -> list[str]:
    caps, free = run["detail"]["caps"], run["detail"]["free"]
    means = ", ".join(sorted({one["means"] for one in caps.values()}))
    lines = [
        f"{_origin(run)}; by {means}. Without a cap the same clips took {free['peak_mb']:.0f} MB and "
        f"{free['cpu_pct_core']:.1f} % of the core:",
        "",
        "| memory, share of a core | words | survived | peak RSS | CPU, % of a core | start to first observation"
        " | pictures dropped | sound blocks dropped | governor |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, one in caps.items():
        memory_mb, core_pct = map(int, re.findall(r"\d+", name))
        row = [f"{memory_mb:,} MB, {core_pct} %", "on" if name.endswith("_words") else "off"]
        if one["survived"]:
            row += ["yes", f"{one['peak_mb']:.0f} MB", f"{one['cpu_pct_core']:.1f}"]
            row += [f"{one['start_to_first_observation_s']:.1f} s"]
            row += [str(one["dropped"]["video"]), str(one["dropped"]["audio"]), ", ".join(one["levels"]) or "at rest"]
        else:
            row += ["no", *[""] * 6]
        lines.append(f"| {' | '.join(row)} |")
    groups_mb = sorted(one["group_peak_mb"] for one in caps.values() if one["group_peak_mb"] is not None)
    if groups_mb:
        lines += [
            "",
            f"The groups themselves were charged with {groups_mb[0]:.0f} to {groups_mb[-1]:.0f} MB: pages of libraries "
            "that another process had already read count as that one's. Peak RSS counts them all.",
        ]
    return lines


def _projection(run: Run) -> list[str]:
    projected = run["detail"].get("projected")
    if projected is None:
        return [f"{_origin(run)}: not projected, {run['detail']['not_measured']['projection']}."]
    lines = [
        f"{_origin(run)}; the loop took {run['metrics']['talking_pct_core']:.1f} % of a core here:",
        "",
        "| board | times slower than one core here | projected load with a person talking, words off, % of one core"
        " | cores |",
        "|---|---|---|---|",
    ]
    for board, (title, cores) in _BOARDS.items():
        one = projected[board]
        load = f"{one['pct_core']:.0f} ({one['least_pct_core']:.0f}–{one['most_pct_core']:.0f})"
        lines.append(f"| {title} | {one['times_slower']:.2g} | {load} | {cores} |")
    return lines
