"""Show the whole loop: device and bridge as two processes, on a clip, live on the terminal."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from edge.cli.demo.choose import choose_clip, choose_llm, pull_models
from edge.cli.demo.processes import Child, free_port
from edge.cli.demo.screen import Screen
from edge.errors import ConfigError, OutputError

_HELP = """\
Starts `mien bridge` (language model, voice) and `mien replay` or `mien run` (perception) as two processes joined by
gRPC, and shows what the device perceives, the description it sends, and the answer as it streams. The answer's sound
is played where there is a speaker and always kept as a WAV file.

  mien demo                     a clip of a talking person if there is one (MIEN_DATA), else a drawn, speaking face
  mien demo --clip me.mp4       your own clip
  mien demo --live              this machine's camera and microphone
  mien demo --llm tiny          98 MB language model instead of 1.1 GB (weaker answers)
  MIEN_LLM=openai:MODEL@URL OPENAI_API_KEY=… mien demo     a language model of your own"""

_READY_S = 180.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run `mien demo …`."""
    parser = argparse.ArgumentParser(
        prog="mien demo", description=_HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--clip", type=Path, help="video or sound file to run on")
    what.add_argument("--live", action="store_true", help="camera and microphone of this machine, until Ctrl-C")
    parser.add_argument("--llm", help="local, tiny, openai:MODEL@URL or anthropic:MODEL (default: MIEN_LLM, or ask)")
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="folder for the kept reply and event lines")
    parser.add_argument("--yes", action="store_true", help="ask nothing: take the defaults")
    args = parser.parse_args(argv)

    started_s = time.monotonic()
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{args.out} cannot be made ({error.strerror}): choose another folder for --out") from error
    if args.clip is not None and not args.clip.is_file():  # before anything is fetched for it
        raise ConfigError(f"no clip at {args.clip}")
    llm = choose_llm(args.llm, ask=not args.yes and sys.stdin.isatty())
    pull_models(llm)
    clip = None if args.live else args.clip or choose_clip(args.out)
    return _run(clip, llm, args.out, started_s)


def _run(clip: Path | None, llm: str, out: Path, started_s: float) -> int:
    port = free_port()
    screen = Screen(clip, out)
    bridge = Child("bridge", ["bridge", "--listen", f"127.0.0.1:{port}", "--llm", llm, "--json"], out, screen.bridge)
    device: Child | None = None
    ending = False

    def end(*_: object) -> None:
        nonlocal ending
        if not ending:  # pressed again, wherever we are in ending both, it must leave neither of them behind
            ending = True
            raise KeyboardInterrupt

    # A closed terminal or a service manager ends us like Ctrl-C does.
    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with screen:
            screen.note("starting the bridge: loading language model and voice …")
            if not bridge.wait_for("ready", _READY_S):
                screen.note(bridge.last_words())
                return 1
            screen.note(f"bridge ready; demo set up in {time.monotonic() - started_s:.1f} s")
            options = ["--bridge", f"grpc://127.0.0.1:{port}", "--json", "--out", str(out), "--consent"]
            command = ["replay", str(clip), *options] if clip else ["run", *options]
            device = Child("device", command, out, screen.device)
            while device.alive and bridge.alive:
                device.join(0.2)
                screen.tick()
            if device.alive:
                screen.note("the bridge ended early; the device goes on alone: Ctrl-C ends it")
                device.join(None)
    except KeyboardInterrupt:
        screen.note("stopping both processes …")
    finally:
        ending = True
        children = [child for child in (device, bridge) if child is not None]
        status = [child.stop() for child in children]
        for number, handler in before.items():
            signal.signal(number, handler)
    screen.summary(time.monotonic() - started_s)
    for child in children:
        if child.fault is not None:
            print(f"lines of the {child.name} process could not be shown or kept: {child.fault}", file=sys.stderr)
    failed = device is not None and status[0] not in (0, 130)
    if failed and device is not None:
        print(device.last_words(), file=sys.stderr)
    return 1 if failed else 0
