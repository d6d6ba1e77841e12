"""Perceive through camera and microphone, describe, forward, answer; until Ctrl-C."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from edge.cli import _device
from edge.cli._lines import Lines

_HELP = """\
The device at work: camera and microphone in, descriptions to the bridge, the reply played back. Without --bridge it
works alone: states and events on this terminal, on --socket, and to the rules' local tools.

  mien run --consent
  mien run --sensor camera://0?width=640 --sensor mic://default --bridge grpc://bridge.local:50051 --consent
  mien run --config /etc/mien.toml --json

Without consent (option or settings) neither feelings nor words are read: only presence, attention and tiredness."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `mien run …`."""
    parser = argparse.ArgumentParser(
        prog="mien run", description=_HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--sensor", action="append", metavar="URI", help="camera://0, mic://default, rtsp://…, file://…"
    )
    _device.add_options(parser)
    args = parser.parse_args(argv)
    changes = {"sensors": args.sensor} if args.sensor else {}
    config = _device.settings(args, **changes)
    return _device.work(config, args.out, _device.emit if args.json else Lines())
