"""Moonshine (tiny-en, the engine of its makers, one processor) on utterances: `python peer_moonshine.py SOUNDS.npz`.

SOUNDS.npz: `sound` float32 (n,), 16 kHz; `ends` int64, where each utterance ends. Prints one JSON line: `cpu_ms_per_s`
of sound, `rss_mb`, `texts`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
from moonshine_voice import (  # type: ignore[import-not-found,unused-ignore]
    ModelArch,
    Transcriber,
    get_assets_path,
)
from peer_memory import peak_mb  # type: ignore[import-not-found,unused-ignore]


def main() -> None:
    """Measure and print."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # it has no setting for threads
    given = np.load(sys.argv[1])
    net = Transcriber(str(Path(get_assets_path()) / "tiny-en"), ModelArch.TINY)
    sounds = [one.tolist() for one in np.split(given["sound"], given["ends"][:-1])]
    net.transcribe_without_streaming(sounds[0])  # loading is not measured
    before = time.process_time()
    found = [net.transcribe_without_streaming(each) for each in sounds]
    spent_ms = (time.process_time() - before) * 1e3
    texts = [" ".join(line.text for line in one.lines) for one in found]
    print(json.dumps({"cpu_ms_per_s": spent_ms / (given["ends"][-1] / 16_000), "rss_mb": peak_mb(), "texts": texts}))


if __name__ == "__main__":
    main()
