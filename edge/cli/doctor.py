"""Check camera, microphone, models, memory, clock and link: what is wrong, and how to mend it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from edge.cli import _device

_MARKS = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run `mien doctor`; 1 when a check failed."""
    parser = argparse.ArgumentParser(prog="mien doctor", description=__doc__)
    parser.add_argument("--config", type=Path, help="settings file of the device (TOML)")
    parser.add_argument("--sensor", action="append", metavar="URI", help="check these instead of the settings' sensors")
    parser.add_argument("--bridge", action="append", metavar="URI", help="check these instead of the settings' bridges")
    parser.add_argument("--words", action=argparse.BooleanOptionalAction, help="will what is said be recognised?")
    parser.add_argument("--json", action="store_true", help="one JSON object a check: name, state, what, mend")
    parser.set_defaults(language=None, consent=False, socket=None)
    args = parser.parse_args(argv)
    from edge.doctor import run_all

    config = _device.settings(args, **({"sensors": args.sensor} if args.sensor else {}))
    failed = 0
    for finding in run_all(config):
        failed += finding.state == "fail"
        if args.json:
            print(
                json.dumps({"name": finding.name, "state": finding.state, "what": finding.what, "mend": finding.mend})
            )
            continue
        print(f"{_MARKS[finding.state]}  {finding.name:12} {finding.what}", flush=True)
        if finding.mend:
            print(f"      {'':12} → {finding.mend}")
    if not args.json:
        print("all is well" if not failed else f"{failed} to mend", file=sys.stderr)
    return 1 if failed else 0
