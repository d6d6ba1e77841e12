"""What `run`, `replay` and `describe` share: options, Ctrl-C, and a loop that ends in order."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge.config import Config
from edge.errors import OutputError
from edge.wire.clear import in_clear


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of every command that runs the device loop."""
    parser.add_argument("--config", type=Path, help="settings file (TOML): docs/settings.md has each one")
    parser.add_argument("--bridge", action="append", metavar="URI", help="grpc://HOST:PORT, mqtt://…; may be repeated")
    parser.add_argument("--words", action=argparse.BooleanOptionalAction, help="recognise what is said (default: auto)")
    parser.add_argument("--language", help="language of speech and descriptions (default: en)")
    parser.add_argument(
        "--consent",
        action="store_true",
        help="the people here agreed that feelings and words are read",
    )
    parser.add_argument("--socket", type=Path, help="serve the event stream on this Unix socket (JSON lines)")
    parser.add_argument("--out", type=Path, help="keep the reply's sound (reply.wav) in this folder")
    parser.add_argument("--json", action="store_true", help="the event stream on standard output, one object a line")


def settings(args: argparse.Namespace, **changes: Any) -> Config:
    """The settings file and the options over it. Raises ConfigError."""
    config = Config.load(args.config)
    purpose = config.purpose.plain() | ({"consent": True} if args.consent else {})
    link = config.link.plain() | ({"bridges": args.bridge} if args.bridge else {})
    perceive = config.perceive.plain()
    if args.language:
        perceive["language"] = args.language
    perceive["words"] = args.words if args.words is not None else perceive["words"]
    if perceive["words"] is None:
        perceive["words"] = _words_possible()
    socket = args.socket or config.socket
    return config.updated(purpose=purpose, link=link, perceive=perceive, socket=socket, **changes)


def work(
    config: Config, out: Path | None, show: Callable[[str], None], *, describe_every_s: float | None = None
) -> int:
    """Run the device loop until its input ends or Ctrl-C; every event line goes to `show` and to the socket.

    The exit status: 1 where an input gave nothing because it is missing or broken, which is told on standard error.
    Raises MienError.
    """
    from models.session import share_memory

    share_memory()
    from edge.event_socket import EventSocket
    from edge.loop import Loop, check

    check(config)
    for far in filter(None, map(in_clear, config.link.bridges)):
        tls = far.replace("://", "s://", 1)
        told = f"{far} has no TLS: whoever is on the way reads how people are, and what they say; use {tls}"
        print(f"{told} (docs/link.md)", file=sys.stderr)
    if out is not None:
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{out} cannot be made ({error.strerror}): choose another folder for --out") from error
    server = EventSocket(config.socket) if config.socket else None
    if server is not None:
        server.open()

    def listen(line: str) -> None:
        show(line)
        if server is not None:
            server.publish(line)

    try:
        loop = Loop(config, listen=listen, out=out, describe_every_s=describe_every_s)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda _number, _frame: loop.stop())
        loop.run()
    finally:
        if server is not None:
            server.close()
    broken = loop.broken()
    for one in broken:
        print(f"{one.uri}: {one.reason}", file=sys.stderr)
    return 1 if any(not one.frames for one in broken) else 0


def emit(line: str) -> None:
    """One line to standard output, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _words_possible() -> bool:
    """Words are on where their models are here and the board has memory for them."""
    from models import card as cards
    from models import store

    needed = cards.in_set("words")
    return bool(needed) and all(store.location(card).is_file() for card in needed) and _memory_mb() >= 700


def _memory_mb() -> float:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("MemTotal")) / 1000
    except (OSError, StopIteration, ValueError):
        return float("inf")
