"""Our side of a comparison, in a process of its own like every peer: `peer_ours WHAT FILE.npy`,
WHAT being `voice`, `face` or `face_adaptive`.

Prints the same keys as the peer's script. Voice: features and affect as the stream gives them, four estimates a second.
`face`: everything that `Sight` reads, landmarks and expression from every picture. `face_adaptive`: the mean at the
rates of the device, where a face that did not move is not read again.
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
    if what == "voice":
        found = _voice(np.load(file))
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
