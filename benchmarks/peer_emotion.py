"""`fer` on pictures, run by an interpreter that has it: `python peer_emotion.py PICTURES.npy`.

Prints one JSON line: `cpu_ms_per_picture` (face detection and expression, median), `found` (share of pictures in which
it saw a face), `rss_mb`. PICTURES.npy: uint8 (n, h, w, 3), BGR.
"""

from __future__ import annotations

import json
import sys
import time
import types

import cv2
import numpy as np

# Its package imports a video module that wants an editor of films; nothing of it is used here.
sys.modules.setdefault("facenet_pytorch", types.SimpleNamespace(MTCNN=None))  # type: ignore[arg-type]

from fer.fer import FER  # type: ignore[import-not-found,unused-ignore]  # noqa: E402
from peer_memory import peak_mb  # type: ignore[import-not-found,unused-ignore]  # noqa: E402


def main() -> None:
    """Measure and print."""
    cv2.setNumThreads(1)
    pictures = np.load(sys.argv[1])
    reader = FER(mtcnn=False)
    reader.detect_emotions(pictures[0])
    spent, found = [], 0
    for picture in pictures:
        before = time.process_time()
        found += bool(reader.detect_emotions(picture))
        spent.append((time.process_time() - before) * 1e3)
    rss_mb = peak_mb()
    print(json.dumps({"cpu_ms_per_picture": float(np.median(spent)), "found": found / len(pictures), "rss_mb": rss_mb}))


if __name__ == "__main__":
    main()
