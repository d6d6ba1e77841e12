"""Draw one picture of a recording: what was heard and seen, what was made of it, and why."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

_HELP = """\
Plays a recording through the device's own path, as fast as it goes, and draws one time axis with the sound, speech,
words, feelings, valence and arousal of voice, face and both, gaze, incongruence, events and descriptions. The picture
holds small pictures out of the clip: give it to nobody who may not see those.

  mien explain clip.mp4                 writes clip.explain.png beside where you are
  mien explain clip.mp4 -o why.png"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `mien explain CLIP`."""
    parser = argparse.ArgumentParser(
        prog="mien explain", description=_HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clip", type=Path, help="a sound or video file")
    parser.add_argument("-o", "--out", type=Path, help="the picture (default: NAME.explain.png)")
    parser.add_argument("--no-words", action="store_true", help="do not recognise what is said")
    parser.add_argument("--language", default="en", help="language of speech and descriptions (default: en)")
    args = parser.parse_args(argv)

    from edge.explain import Timeline
    from edge.moment import Moment
    from edge.offline import Analyzer
    from edge.types import AudioFrame, Frame, VideoFrame
    from models import card as cards
    from models import store

    timeline = Timeline(args.clip.name)

    def watch(frame: Frame | None, moment: Moment) -> None:
        if isinstance(frame, AudioFrame):
            timeline.sound(frame)
        elif isinstance(frame, VideoFrame):
            timeline.picture(frame)
        timeline.moment(moment)

    words = not args.no_words and all(store.state(card) == "present" for card in cards.in_set("words"))
    found = Analyzer(words=words, language=args.language, watch=watch).read(args.clip)
    if "damage" in found:
        print(f"mien explain: {found['damage']}", file=sys.stderr)
    out = args.out or Path(f"{args.clip.stem}.explain.png")
    timeline.save(out)
    print(out)
    return 0
