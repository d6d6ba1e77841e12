"""The expression net of `fer` (mini_XCEPTION) on faces that are cut out already: `python peer_expression.py FACES.npy`.

Run by an interpreter that has `fer`. Prints one JSON line: `said`, one expression's name for each face of FACES.npy
(uint8 (n, 48, 48), as in FER2013, on which the net was trained), and `cpu_ms` of one face, median.
"""

from __future__ import annotations

import json
import sys
import time
import types

import cv2
import numpy as np

# Its package imports a second face detector, which wants torch; nothing of it is used here.
sys.modules.setdefault("facenet_pytorch", types.SimpleNamespace(MTCNN=None))  # type: ignore[arg-type]

from fer.fer import FER  # type: ignore[import-not-found,unused-ignore]  # noqa: E402


def main() -> None:
    """Classify and print."""
    cv2.setNumThreads(1)
    reader = FER(mtcnn=False)
    size, names = reader._FER__emotion_target_size, reader._get_labels()
    said, spent = [], []
    for face in np.load(sys.argv[1]):
        before = time.process_time()
        ready = (cv2.resize(face, size).astype(np.float32) / 255.0 - 0.5) * 2.0
        shares = np.asarray(reader._classify_emotions(ready[None]))[0]
        spent.append((time.process_time() - before) * 1e3)
        said.append(names[int(shares.argmax())])
    print(json.dumps({"said": said, "cpu_ms": float(np.median(spent))}))


if __name__ == "__main__":
    main()
