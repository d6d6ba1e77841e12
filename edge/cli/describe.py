"""Say in one human line a second how the person in front of the device is."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from edge.cli import _device
from edge.cli._lines import Descriptions
from edge.errors import SensorMissing

_HELP = """\
One line a second: who is there, how they look and sound, where they look, what they said.

  mien describe --consent              camera and microphone
  mien describe clip.mp4 --consent     a recording, in real time"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `mien describe …`."""
    parser = argparse.ArgumentParser(
        prog="mien describe", description=_HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clip", type=Path, nargs="?", help="a recording (default: camera and microphone)")
    _device.add_options(parser)
    args = parser.parse_args(argv)
    if args.clip and not args.clip.is_file():
        raise SensorMissing(f"no file at {args.clip}")
    changes = {"sensors": [f"file://{args.clip}"]} if args.clip else {}
    config = _device.settings(args, **changes)
    return _device.work(config, args.out, _device.emit if args.json else Descriptions(), describe_every_s=1.0)
