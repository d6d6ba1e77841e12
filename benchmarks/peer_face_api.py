"""face-api (the living fork of face-api.js) on pictures or faces: `python peer_face_api.py pictures|faces FILE.npy`.

Run by an interpreter whose folder holds Node and face-api's packages; `peer_face_api.js` beside this file is what Node
runs. Its own networks as published (MIT), TensorFlow.js on WebAssembly, one thread. Prints one JSON line. `pictures`
(uint8 (n, h, w, 3), BGR): `cpu_ms_per_picture`, face detection (its tiny detector) and expression, median; `found`,
share of pictures in which it saw a face; `rss_mb`. `faces` (uint8 (n, 48, 48)): `said`, one expression's name for each
(as FER2013 names them), and `cpu_ms` of one face, median.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

_NODE_S = 840.0
_NAMES = {"fearful": "fear", "disgusted": "disgust", "surprised": "surprise"}  # FER2013's, where they differ
_WEIGHTS = {
    "tiny_face_detector_model.bin": "b7503ce7df31039b1c43316a9b865cab6a70dd748cc602d3fa28b551503c3871",
    "face_expression_model.bin": "9a9840f2cf1f4c7eab95f197512569345c00d2426754d4608b92af30e0300f3d",
}


def main() -> None:
    """Measure and print."""
    what, file = sys.argv[1:3]
    packages = Path(sys.prefix) / "js/node_modules"
    for name, wanted in _WEIGHTS.items():
        if hashlib.sha256((packages / "@vladmandic/face-api/model" / name).read_bytes()).hexdigest() != wanted:
            raise SystemExit(f"{name} is not the file that was compared with before")
    pictures = np.load(file, mmap_mode="r")
    with tempfile.TemporaryDirectory() as scratch:
        raw = Path(scratch) / "pictures"
        with raw.open("wb") as out:
            for one in pictures:
                out.write((one[..., ::-1] if what == "pictures" else one[..., None].repeat(3, 2)).tobytes())
        script = Path(__file__).with_suffix(".js")
        count, height, width = map(str, pictures.shape[:3])
        command = [str(Path(sys.prefix) / "bin/node"), str(script), str(packages), what, str(raw), count, height, width]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_NODE_S)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    found = json.loads(done.stdout.splitlines()[-1])
    if "found" in found:
        found["found"] = float(found["found"])  # JavaScript writes 1 for 1.0
    else:
        found["said"] = [_NAMES.get(name, name) for name in found["said"]]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
