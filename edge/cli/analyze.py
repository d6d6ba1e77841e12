"""Read recordings: one JSON line per sound, picture or video file, or per file of a folder."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from edge.errors import ConfigError, SensorError

_SOUND = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".aac")
_VIDEO = (".mp4", ".mpg", ".mpeg", ".avi", ".mov", ".mkv", ".webm")
_PICTURE = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")
_KINDS = frozenset(_SOUND + _VIDEO + _PICTURE)
_HELP = """\
Prints one JSON object per file: path, voice (probs, label, valence, arousal), face (probs, label, valence, arousal,
head_pose_deg, gaze, eyes), words, state, description; null where nothing was perceived, `error` where a file cannot be
read. Files are read as fast as this machine can; nothing leaves it.

  mien analyze clip.mp4
  mien analyze recordings/ --jsonl > found.jsonl
  mien analyze clip.mp4 --overlay out/      pictures with the found face, gaze and expression drawn in"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `mien analyze …`; 1 when a file could not be read."""
    parser = argparse.ArgumentParser(
        prog="mien analyze", description=_HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="files, or folders of files")
    parser.add_argument("--jsonl", action="store_true", help="compact lines (default where output is no terminal)")
    parser.add_argument(
        "--words", action=argparse.BooleanOptionalAction, help="recognise what is said (default: if its model is here)"
    )
    parser.add_argument("--language", default="en", help="language of the speech and of the description (default: en)")
    parser.add_argument("--overlay", type=Path, metavar="DIR", help="draw what was found into pictures there")
    parser.add_argument("--overlay-every", type=float, default=0.5, metavar="S", help="seconds between them (0.5)")
    args = parser.parse_args(argv)

    from edge.offline import Analyzer
    from models import card as cards
    from models import store

    files = list(_files(args.paths))
    words = args.words
    if words is None:
        words = all(store.state(card) == "present" for card in cards.in_set("words"))
    look = None
    if args.overlay is not None:
        from edge.cli._overlay import Pictures

        look = Pictures(args.overlay, args.overlay_every)
    analyzer = Analyzer(words=words, language=args.language, look=look)
    compact = args.jsonl or not sys.stdout.isatty()
    failed = 0
    for index, file in enumerate(files):
        if len(files) > 1 and sys.stderr.isatty():
            print(f"\r{index + 1}/{len(files)} {file.name[:60]:60}", end="", file=sys.stderr, flush=True)
        if look is not None:
            look.begin(file.stem)
        try:
            answer = analyzer.read(file)
        except SensorError as error:
            failed += 1
            answer = {"path": str(file), "error": str(error)}
        print(json.dumps(answer, ensure_ascii=False, indent=None if compact else 2), flush=True)
    if len(files) > 1 and sys.stderr.isatty():
        print(f"\r\x1b[2K{len(files)} files, {failed} unreadable", file=sys.stderr)
    return 1 if failed else 0


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            found = sorted(one for one in path.rglob("*") if one.suffix.lower() in _KINDS and one.is_file())
            if not found:
                raise ConfigError(f"no sound, picture or video file in {path}")
            yield from found
        else:
            yield path
