"""Play a recording through the device loop, in real time, as if it happened now."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from edge.cli import _device
from edge.cli._lines import Lines
from edge.errors import SensorMissing

_HELP = """\
Sound and picture of one file enter the loop on one clock, at the speed of life; everything else is as in `mien run`.
To read recordings as fast as possible, use `mien analyze`.

  mien replay clip.mp4 --consent
  mien replay clip.mp4 --bridge grpc://127.0.0.1:50051 --out out/ --consent --json"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `mien replay …`."""
    parser = argparse.ArgumentParser(
        prog="mien replay", description=_HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clip", type=Path, help="a video, sound or picture file")
    _device.add_options(parser)
    args = parser.parse_args(argv)
    if not args.clip.is_file():
        raise SensorMissing(f"no file at {args.clip}")
    config = _device.settings(args, sensors=[f"file://{args.clip}"])
    return _device.work(config, args.out, _device.emit if args.json else Lines())
