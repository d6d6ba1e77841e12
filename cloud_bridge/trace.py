"""`mien bridge trace`: the timeline of one turn, as a picture or as JSON."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from cloud_bridge.errors import SettingError
from cloud_bridge.history import History
from cloud_bridge.stages import LANES, Stage, facts, link_ms, stages
from cloud_bridge.state import history_file

_EPILOG = """\
Times count from the last speech of the turn. The device tells its own, on its clock; the bridge measures its own; the
link's time is what is left between them, half of it each way. Nothing that was said is in a trace.

examples:
  mien bridge trace                        the newest turn, as turn.svg
  mien bridge trace 12 --device kitchen --out turn12.svg
  mien bridge trace --json | jq .stages
"""
_WIDTH, _LEFT, _ROW, _TOP = 980, 90, 26, 64
_COLOURS = {"device": "#2a78d6", "link": "#8a8a86", "bridge": "#1baf7a", "model": "#eda100", "voice": "#e87ba4"}


def main(argv: Sequence[str]) -> int:
    """Run from the command line. Returns the exit status; raises BridgeError."""
    parser = argparse.ArgumentParser(
        prog="mien bridge trace",
        description="Draw the timeline of one turn.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("turn", nargs="?", type=int, metavar="TURN", help="its number (the newest)")
    parser.add_argument("--device", metavar="NAME", help="whose (the one that spoke last)")
    parser.add_argument("--tenant", metavar="NAME", default="default")
    parser.add_argument("--history", metavar="FILE", help="the bridge's history (in its state folder)")
    parser.add_argument("--out", metavar="FILE", default="turn.svg", help="the picture, SVG (turn.svg)")
    parser.add_argument("--json", action="store_true", help="the stages on standard output instead of a picture")
    options = parser.parse_args(argv)
    path = history_file(options.history)
    if not path.is_file():
        raise SettingError(f"there is no history at {path}: run `mien bridge` first, or name one by --history")
    history = History(path)
    try:
        found = read(history, options.tenant, options.device, options.turn)
    finally:
        history.close()
    if options.json:
        print(json.dumps(found, ensure_ascii=False))
        return 0
    Path(options.out).write_text(picture(found), encoding="utf-8")
    for one in found["stages"]:
        print(f"{one['start_ms']:7.0f} … {one['end_ms']:7.0f} ms  {one['lane']:7} {one['name']}")
    print(f"drawn in {options.out}", file=sys.stderr)
    return 0


def read(history: History, tenant: str, device: str | None, turn: int | None) -> dict[str, Any]:
    """One turn: `device`, `at_s`, its facts, `link_ms` and `stages`. Raises SettingError where there is none."""
    if device is None:
        known = sorted(history.devices(tenant=tenant), key=lambda one: -float(one["last_s"]))
        names = [str(one["device"]) for one in known]
    else:
        names = [device]
    for name in names:
        rows = history.timeline(name, kinds=("turn",), turn=turn, limit=1, tenant=tenant)
        if not rows:
            continue
        row = rows[-1]
        told = history.timeline(
            name, row["at_s"] - 1.0, row["at_s"] + 60.0, kinds=("stages",), turn=row["turn"], limit=1, tenant=tenant
        )
        heard = {key: value for key, value in (told[-1] if told else {}).items() if key.endswith("_ms")}
        found = [
            {"lane": one.lane, "name": one.name, "start_ms": round(one.start_ms, 1), "end_ms": round(one.end_ms, 1)}
            for one in stages(heard, row["ms"])
        ]
        both_ms = link_ms(heard, row["ms"])
        return {"device": name, "at_s": row["at_s"], **facts(row), "link_ms": both_ms, "stages": found}
    which = f"turn {turn}" if turn is not None else "a turn"
    raise SettingError(f"nothing is kept of {which} of {device or 'any device'}: see the console, or `--help`")


def picture(found: dict[str, Any]) -> str:
    """The turn as SVG, one line per stage, coloured by where it happens; readable on light and dark ground."""
    rows = [Stage(one["lane"], one["name"], one["start_ms"], one["end_ms"]) for one in found["stages"]]
    rows.sort(key=lambda one: (one.start_ms, LANES.index(one.lane)))
    first = min([0.0, *(one.start_ms for one in rows)])
    last = max([100.0, *(one.end_ms for one in rows)])
    scale = (_WIDTH - _LEFT - 190) / (last - first)
    height = _TOP + _ROW * len(rows) + 44

    def x(ms: float) -> float:
        return _LEFT + (ms - first) * scale

    step = next(step for step in (50, 100, 200, 500, 1000, 2000, 5000, 10**9) if (last - first) / step <= 12)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="system-ui, sans-serif" '
        'font-size="12"><style>text{fill:#222}.ground{fill:#fff}.grid{stroke:#ddd}'
        "@media(prefers-color-scheme:dark){text{fill:#eee}.ground{fill:#1c1c1e}.grid{stroke:#444}}</style>",
        f'<rect class="ground" width="{_WIDTH}" height="{height}"/>',
        f'<text x="16" y="24" font-size="15" font-weight="600">{escape(_title(found))}</text>',
        f'<text x="16" y="42">{escape(_facts(found))}</text>',
    ]
    tick = step * -(-first // step)
    while tick <= last:
        lines.append(
            f'<line class="grid" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{_TOP - 8}" y2="{height - 30}"/>'
            f'<text x="{x(tick):.1f}" y="{height - 14}" text-anchor="middle">{tick:.0f} ms</text>'
        )
        tick += step
    for number, one in enumerate(rows):
        y = _TOP + number * _ROW
        width = max((one.end_ms - one.start_ms) * scale, 3.0)
        length = one.end_ms - one.start_ms
        label = f"{one.name} · {length:.0f} ms" if length else f"{one.name} · at {one.start_ms:.0f} ms"
        lines.append(
            f'<text x="16" y="{y + 14}">{one.lane}</text>'
            f'<rect x="{x(one.start_ms):.1f}" y="{y + 3}" width="{width:.1f}" height="15" rx="3" '
            f'fill="{_COLOURS[one.lane]}"/>'
            f'<text x="{x(one.start_ms) + width + 6:.1f}" y="{y + 15}">{escape(label)}</text>'
        )
    return "\n".join([*lines, "</svg>"]) + "\n"


def _title(found: dict[str, Any]) -> str:
    heard = next((one for one in found["stages"] if (one["lane"], one["name"]) == ("device", "first sound")), None)
    first = f", first sound after {heard['end_ms']:.0f} ms" if heard else ""
    return f"Turn {found.get('turn')} of {found['device']}{first}"


def _facts(found: dict[str, Any]) -> str:
    parts = [f"tone {found['tone']}"] if "tone" in found else []  # kept only where the person agreed
    parts += [str(found.get("outcome")), str(found.get("model") or "no model asked")]
    if tokens := found.get("tokens"):
        parts.append(", ".join(f"{count} {name.removesuffix('_tokens')}" for name, count in tokens.items()) + " tokens")
    if (cost := found.get("cost")) is not None:
        parts.append(f"${cost:.6f}")
    if (both_ms := found.get("link_ms")) is not None:
        parts.append(f"link {both_ms:.0f} ms both ways")
    return " · ".join(parts)
