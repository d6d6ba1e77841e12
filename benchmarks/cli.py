"""Measure accuracy, speed, memory and link on the deployed path."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import report

BENCHES = ("voice", "face", "joint", "loop", "reply", "link")

_HELP = """\
Every benchmark runs the deployed path (quantized files, streaming code) as PROTOCOL tells, prints a table and writes
OUT/NAME.json. Accuracy needs the labelled data (MIEN_DATA or --data).

  mien bench face                 one
  mien bench all --out out/bench  every one
  mien bench link --quick         a smoke run, marked as such in the file"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `mien bench NAME …`."""
    parser = argparse.ArgumentParser(
        prog="mien bench", description=_HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=[*BENCHES, "all"])
    parser.add_argument("--data", type=Path, default=os.environ.get("MIEN_DATA"), help="labelled data (MIEN_DATA)")
    parser.add_argument("--out", type=Path, default=Path("out/bench"), help="folder of the JSON files")
    parser.add_argument("--quick", action="store_true", help="a smoke run: figures mean nothing")
    parser.add_argument("--peers", action="store_true", help="run the peers beside us, where they can be installed")
    args = parser.parse_args(argv)
    failed = 0
    for name in BENCHES if args.name == "all" else (args.name,):
        try:
            module = importlib.import_module(f"benchmarks.{name}")
        except ModuleNotFoundError as error:
            print(f"mien bench {name}: needs '{error.name}'", file=sys.stderr)
            failed += 1
            continue
        if getattr(module, "NEEDS_DATA", False) and args.data is None:
            print(f"mien bench {name}: needs the labelled data: set MIEN_DATA or --data", file=sys.stderr)
            failed += 1
            continue
        data = Path(args.data) if args.data is not None else None
        result = module.measure(data, quick=args.quick, peers=args.peers)
        file = report.write(name, result, args.out, quick=args.quick)
        print(report.table(name, result))
        print(f"  → {file}")
    return 1 if failed else 0
