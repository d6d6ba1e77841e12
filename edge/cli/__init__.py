"""`mien`: one command line for the whole project. A command is an entry point of the group `mien.commands`."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points

_DEVICE = ("run", "replay", "describe", "analyze", "explain", "calibrate")
_ORDER = (
    *("demo", "run", "replay", "describe", "analyze", "explain"),
    *("calibrate", "consent", "doctor", "models", "enroll", "bridge"),
    *("bench", "train", "quantize"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that the first word names; its exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that knows no “ or → gets a question mark, not a fault
            stream.reconfigure(errors="replace")
    _keep_standard_error()
    try:
        status = _main(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output left; Python would try again to write the rest when it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return status


def _keep_standard_error() -> None:
    """Say what we say by a descriptor of our own: PortAudio's wrapper sends descriptor 2 to nowhere while it lists the
    devices, and what another thread had to tell in that moment (that the camera is missing) would be lost."""
    if isinstance(sys.stderr, io.TextIOWrapper) and sys.stderr.fileno() == 2:
        sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, encoding=sys.stderr.encoding, errors="replace")


def _main(words: list[str]) -> int:
    if words and words[0] in _DEVICE:
        # Before numpy is loaded: OpenBLAS would share even small products among all cores, and keep these spinning.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    commands = {point.name: point for point in entry_points(group="mien.commands")}
    if not words or words[0] in ("-h", "--help", "help"):
        _print_help(commands)
        return 0 if words else 2
    if words[0] in ("-V", "--version"):
        from importlib.metadata import version

        print(f"mien {version('mien')}")
        return 0
    point = commands.get(words[0])
    if point is None:
        print(f"mien: no command '{words[0]}': `mien --help` lists them", file=sys.stderr)
        return 2
    return _run(point, words[1:])


def _run(point: EntryPoint, words: list[str]) -> int:
    from edge.errors import MienError
    from models.errors import ModelError

    try:
        return int(point.load()(words))
    except (MienError, ModelError) as error:
        print(f"mien {point.name}: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        print(f"mien {point.name}: this install lacks '{error.name}': pip install 'mien[demo]'", file=sys.stderr)
        return 1


def _print_help(commands: dict[str, EntryPoint]) -> None:
    print("usage: mien COMMAND …\n\nPerceives a person's face, voice and words together, on the device.\n")
    known = [name for name in _ORDER if name in commands]
    for name in known + sorted(set(commands) - set(known)):
        try:
            text = (sys.modules[commands[name].load().__module__].__doc__ or "").strip().splitlines()[0]
        except ImportError as error:
            text = f"(needs {error.name}: pip install 'mien[demo]')"
        print(f"  {name:10} {text}")
    print("\n`mien COMMAND --help` teaches each one. Start with `mien demo`.")
