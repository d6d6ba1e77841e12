"""A program that speaks what `rpicam-vid --codec yuv420 -o -` speaks: I420, lines padded to 64 bytes, chat elsewhere.

Run by its tests as a real process. Behaviour is chosen by the environment: RPICAM_PICTURES (how many, then it ends with
an error), RPICAM_HALF (the last one is cut in half), RPICAM_DEAF (ignores SIGTERM).
"""

from __future__ import annotations

import os
import signal
import sys
import time

import numpy as np


def option(name: str) -> str:
    return sys.argv[sys.argv.index(name) + 1]


def picture(width: int, height: int, stride: int, index: int) -> bytes:
    """Left half red, right half blue, full range (ITU-T T.871); the padding is garbage."""
    rows = []
    red, blue = (76, 85, 255), (29, 255, 107)
    for plane, part in enumerate((1, 2, 2)):
        rows_of = np.full((height // part, stride // part), 200, np.uint8)
        rows_of[:, : width // part // 2] = red[plane]
        rows_of[:, width // part // 2 : width // part] = blue[plane]
        if plane == 0:
            rows_of[0, :width] = index
        rows.append(rows_of.tobytes())
    return b"".join(rows)


def main() -> int:
    if os.environ.get("RPICAM_DEAF"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "nvarguscamerasrc" in sys.argv:  # as gst-launch-1.0 on a Jetson: chat on the standard output
        print("GST_ARGUS: Creating output stream", flush=True)
        caps = dict(part.split("=") for part in sys.argv[-5].split(",") if "=" in part)
        width, height = int(caps["width"]), int(caps["height"])
        stride, out = width, os.fdopen(int(sys.argv[-2].removeprefix("fd=")), "wb", buffering=0)
    else:
        assert option("--codec") == "yuv420"
        assert option("--output") == "-"
        width, height = int(option("--width")), int(option("--height"))
        stride, out = -(-width // 64) * 64, os.fdopen(1, "wb", buffering=0)
    print("[0:01:02] INFO Camera camera_manager.cpp:284 libcamera", file=sys.stderr, flush=True)
    for index in range(int(os.environ.get("RPICAM_PICTURES", "1000000"))):
        out.write(picture(width, height, stride, index % 256))
        time.sleep(0.01)
    if os.environ.get("RPICAM_HALF"):
        out.write(picture(width, height, stride, 0)[: stride * height])
    print("ERROR: *** no cameras available ***", file=sys.stderr)
    return 255


if __name__ == "__main__":
    sys.exit(main())
