"""MediaPipe's FaceMesh on pictures, for its memory: `python peer_mesh_memory.py PICTURES.npy`, with mediapipe==0.10.14.

Prints one JSON line: `rss_mb`, the process' peak while tracking one face with refined landmarks, and
`cpu_ms_per_picture` (median). PICTURES.npy: uint8 (n, h, w, 3), BGR.
"""

from __future__ import annotations

import json
import sys
import time

import cv2
import mediapipe as mp  # type: ignore[import-not-found,unused-ignore]
import numpy as np
from peer_memory import peak_mb  # type: ignore[import-not-found,unused-ignore]


def main() -> None:
    """Measure and print."""
    cv2.setNumThreads(1)
    pictures = np.load(sys.argv[1], mmap_mode="r")
    mesh = mp.solutions.face_mesh.FaceMesh(refine_landmarks=True, max_num_faces=1)
    spent = []
    for picture in pictures:
        rgb = cv2.cvtColor(np.array(picture), cv2.COLOR_BGR2RGB)
        before = time.process_time()
        mesh.process(rgb)
        spent.append((time.process_time() - before) * 1e3)
    rss_mb = peak_mb()
    print(json.dumps({"rss_mb": rss_mb, "cpu_ms_per_picture": float(np.median(spent))}))


if __name__ == "__main__":
    main()
