"""Draw one picture of a recording: what was heard and seen, what was made of it, and why."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

_HELP = """\
Plays a recording through the device's own path, as fast as it goes, and draws one time axis with the sound, speech,
valence and arousal of voice, face and both, gaze, incongruence, events and descriptions.

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
    from edge.path import Path as Loop
    from edge.perceive.hearing import Hearing
    from edge.perceive.sight import Sight
    from edge.policy import Policy
    from edge.rules import Rules
    from edge.sensors.base import EndOfStream
    from edge.sensors.file import FileSensor
    from edge.types import AudioFrame, VideoFrame
    from models import card as cards
    from models import store

    words = not args.no_words and all(store.state(card) == "present" for card in cards.in_set("words"))
    hearing, sight = Hearing(affect=True, words=words, language=args.language), Sight(affect=True)
    loop = Loop(policy=Policy.for_recordings(), rules=Rules.load(None), language=args.language)
    timeline, end_s = Timeline(), 0.0
    sensor = FileSensor(args.clip, paced=False)
    sensor.open()
    try:
        while True:
            try:
                frame = sensor.read(1.0)
            except EndOfStream:
                break
            if isinstance(frame, AudioFrame):
                end_s = frame.end_s
                timeline.sound(frame)
                timeline.moment(loop.step(hearing.feed(frame), end_s))
            elif isinstance(frame, VideoFrame):
                end_s = frame.t_s
                timeline.moment(loop.step(sight.feed(frame), end_s))
    finally:
        sensor.close()
    timeline.moment(loop.step(hearing.finish(), end_s))
    out = args.out or Path(f"{args.clip.stem}.explain.png")
    timeline.save(out)
    print(out)
    return 0
