"""openSMILE's eGeMAPS functionals, run by an interpreter that has opensmile: `python peer_voice.py SOUND.npy`.

Prints one JSON line: `cpu_ms_per_s`, CPU of consecutive windows of three seconds (each once), per second of sound;
`cpu_ms_per_window`; `rss_mb`, the process' peak. SOUND.npy: float32 (n,), mono, 16 kHz.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import opensmile  # type: ignore[import-not-found,unused-ignore]

_WINDOW = 48_000


def main() -> None:
    """Measure and print."""
    sound = np.load(sys.argv[1])
    smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals, num_workers=1)
    smile.process_signal(sound[:_WINDOW], 16_000)  # loading is not measured
    spent = []
    for begin in range(0, len(sound) - _WINDOW + 1, _WINDOW):
        before = time.process_time()
        smile.process_signal(sound[begin : begin + _WINDOW], 16_000)
        spent.append((time.process_time() - before) * 1e3)
    window_ms = float(np.median(spent))
    peak_mb = _peak_mb()
    print(json.dumps({"cpu_ms_per_s": window_ms / 3, "cpu_ms_per_window": window_ms, "rss_mb": peak_mb}))


def _peak_mb() -> float:
    """Highest resident memory of this process; what `getrusage` tells includes the parent's before exec."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1.024e-3


if __name__ == "__main__":
    main()
