"""Measure accuracy, speed, memory and link on the deployed path."""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import report
from benchmarks.parts import Parts

BENCHES = ("loop", "face", "joint", "reply", "link", "boards", "fleet", "soak", "voice")  # the longest last

_HELP = """\
Every benchmark runs the deployed path (quantized files, streaming code), prints a table and writes
OUT/NAME.json. Accuracy needs the labelled data (MIEN_DATA or --data).

  mien bench face                 one
  mien bench all --peers          every one, each in a process of its own, and the report
  mien bench report               benchmarks/RESULTS.md and the tables of docs/boards.md again from the files in --out
  mien bench link --quick         a smoke run, marked as such in the file
  mien bench link --resume        go on where a run was ended: its finished parts are kept in OUT/link.parts
  mien bench link --only speed    take one part again; the others stay as they were found"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `mien bench NAME …`."""
    parser = argparse.ArgumentParser(
        prog="mien bench", description=_HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=[*BENCHES, "all", "report"])
    parser.add_argument("--data", type=Path, default=os.environ.get("MIEN_DATA"), help="labelled data (MIEN_DATA)")
    parser.add_argument("--out", type=Path, default=Path("out/bench"), help="folder of the JSON files")
    parser.add_argument("--quick", action="store_true", help="a smoke run: figures mean nothing")
    parser.add_argument("--peers", action="store_true", help="run the peers beside us, installing them where needed")
    parser.add_argument("--resume", action="store_true", help="take only the parts that an ended run did not finish")
    parser.add_argument("--only", metavar="PART", action="append", default=[], help="take this part again, no other")
    parser.add_argument(
        "--limit", type=float, default=15.0, metavar="MIN", help="of all: what one benchmark may take (15)"
    )
    args = parser.parse_args(argv)
    if (args.resume or args.only) and (args.quick or args.name in ("all", "report")):
        what = "a smoke run (--quick)" if args.quick else f"'{args.name}'"
        print(f"mien bench: {what} keeps no parts: leave out --resume and --only", file=sys.stderr)
        return 2
    if args.name == "report":
        return _report(args.out)
    if args.name == "all":
        return _all(args)
    try:
        module = importlib.import_module(f"benchmarks.{args.name}")
    except ModuleNotFoundError as error:
        print(f"mien bench {args.name}: needs '{error.name}'", file=sys.stderr)
        return 1
    if getattr(module, "NEEDS_DATA", False) and args.data is None:
        print(f"mien bench {args.name}: needs the labelled data: set MIEN_DATA or --data", file=sys.stderr)
        return 1
    names: Sequence[str] = getattr(module, "PARTS", ())
    if not set(args.only) <= set(names) or (args.resume and not names):
        told = f"has the parts {', '.join(names)}" if names else "has no parts: it is taken as a whole"
        print(f"mien bench {args.name}: {told}", file=sys.stderr)
        return 2
    more = {}
    if names and not args.quick:
        more["parts"] = Parts(names, args.out / f"{args.name}.parts", resume=args.resume, only=args.only)
    data = Path(args.data) if args.data is not None else None
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what ends us ends our processes, too, as Ctrl-C does
    try:
        result = module.measure(data, quick=args.quick, peers=args.peers, **more)
    except KeyboardInterrupt:
        print(f"mien bench {args.name}: ended" + ("; --resume goes on from here" if "parts" in more else ""))
        return 130
    file = report.write(args.name, result, args.out, quick=args.quick)
    print(report.table(args.name, result))
    print(f"  → {file}")
    return 0


def _all(args: argparse.Namespace) -> int:
    """Each benchmark in a process of its own: one that fails, hangs or takes all memory does not end the others."""
    options = ["--out", str(args.out), *(f"--{name}" for name in ("quick", "peers") if getattr(args, name))]
    if args.data is not None:
        options += ["--data", str(args.data)]
    failed = []
    for name in BENCHES:
        began_s = time.monotonic()
        print(f"· {name}", flush=True)
        command = [sys.executable, "-c", "from benchmarks.cli import main; raise SystemExit(main())", name, *options]
        try:
            status = subprocess.run(command, check=False, timeout=args.limit * 60).returncode
        except subprocess.TimeoutExpired:
            status = 124
            print(f"mien bench {name}: took over {args.limit:g} minutes and was ended", file=sys.stderr)
        print(f"  {time.monotonic() - began_s:.0f} s", flush=True)
        if status:
            failed.append(name)
    if failed:
        print(f"mien bench: without result: {', '.join(failed)}", file=sys.stderr)
    return _report(args.out) or bool(failed)


def _report(folder: Path) -> int:
    try:
        from benchmarks import boards_page, results

        print(f"  → {results.write(folder, report.ROOT / 'benchmarks')}")
        for run in results.read(folder):
            if run["name"] == "boards" and not run["quick"]:
                boards_page.write(run)
                print(f"  → {boards_page.PAGE}")
    except FileNotFoundError as error:
        print(f"mien bench report: {error}", file=sys.stderr)
        return 1
    return 0
