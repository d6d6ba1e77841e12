"""Our side of a comparison, in a process of its own like every peer: `peer_ours WHAT FILE`,
WHAT being `voice`, `face`, `face_adaptive`, `words` or `frames` (with a count instead of a file).

Prints the same keys as the peer's script. Voice: features and affect as the stream gives them, four estimates a second.
`face`: everything that `Sight` reads, landmarks and expression from every picture. `face_adaptive`: the mean at the
rates of the device, where a face that did not move is not read again. `words`: each utterance as one turn. `frames`:
blocks of sound from thread to thread as the loop hands them on, through a detector that does nothing.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np

from edge.health import memory_mb
from models.session import share_memory


def main() -> None:
    """Measure and print."""
    share_memory()
    what, file = sys.argv[1:3]
    pictures_hz = 15.0
    found: dict[str, Any]
    if what == "voice":
        found = _voice(np.load(file))
    elif what == "words":
        found = _words(np.load(file))
    elif what == "frames":
        found = _frames(int(file))
    else:
        found = _face(np.load(file, mmap_mode="r"), pictures_hz, every=what == "face")
    print(json.dumps({**found, "rss_mb": memory_mb()[1]}))


def _voice(sound: Any) -> dict[str, float]:
    from edge.perceive.voice import VoiceReader

    reader, block = VoiceReader(), 512
    blocks = [sound[at : at + block] for at in range(0, len(sound) - block + 1, block)]
    estimates, before = 0, 0.0
    for index, samples in enumerate(blocks):
        if index == 31:  # the first second warms up
            before = time.process_time()
        seen = reader.feed(samples, index * block / 16_000, 0.9, True)
        estimates += seen is not None and index >= 31
    spent_ms = (time.process_time() - before) * 1e3
    seconds = (len(blocks) - 31) * block / 16_000
    return {"cpu_ms_per_s": spent_ms / seconds, "cpu_ms_per_estimate": spent_ms / max(estimates, 1)}


def _words(given: Any) -> dict[str, Any]:
    from edge.perceive.words import WordFinder

    finder, sounds = WordFinder(), np.split(given["sound"], given["ends"][:-1])
    finder.find(sounds[0])
    before = time.process_time()
    found = [finder.find(each) for each in sounds]
    spent_ms = (time.process_time() - before) * 1e3
    texts = ["" if one is None else one.text for one in found]
    return {"cpu_ms_per_s": spent_ms / (given["ends"][-1] / 16_000), "texts": texts}


def _frames(count: int) -> dict[str, float]:
    from edge.slots import Slot
    from edge.types import AudioFrame
    from edge.worker import Worker

    frames: Slot[AudioFrame] = Slot(64)
    found: Slot[Any] = Slot(64)
    worker = Worker("frames", _HandOn, frames, found)
    worker.start()
    block = np.zeros(512, np.float32)
    before = time.process_time()
    for index in range(count):
        frames.put_wait(AudioFrame("peer", index, index * 0.032, block))
        found.take(1.0)
    return {"cpu_us_per_frame": (time.process_time() - before) / count * 1e6, "frames": worker.frames}


class _HandOn:
    def feed(self, frame: Any) -> Any:
        return [frame]

    def reset(self) -> None:
        pass


def _face(pictures: Any, pictures_hz: float, *, every: bool) -> dict[str, float]:
    from edge.perceive.sight import Sight
    from edge.types import FaceSeen, VideoFrame

    sight = Sight(affect=True)
    if every:
        sight.set_rate(expression_hz=1000.0, still_hz=1000.0)
    spent, found = [], 0
    for index, picture in enumerate(pictures):
        frame = VideoFrame("peer", index, index / pictures_hz, np.array(picture))
        before = time.process_time()
        seen = sight.feed(frame)
        spent.append((time.process_time() - before) * 1e3)
        found += any(isinstance(one, FaceSeen) for one in seen)
    return {
        "cpu_ms_per_picture": float(np.median(spent) if every else np.mean(spent[5:])),
        "found": found / len(pictures),
    }


if __name__ == "__main__":
    main()
