"""openSMILE's eGeMAPS functionals, run by an interpreter that has opensmile: `python peer_voice.py SOUND.npy`.

Prints one JSON line: CPU per second of sound with its features asked for once in three seconds
(`cpu_ms_per_s_once_in_3_s`: windows side by side) and four times a second (`cpu_ms_per_s_4_times_a_s`: each window of
three seconds begins 250 ms after the last), `cpu_ms_per_estimate`, and `rss_mb`, the process' peak. SOUND.npy: float32
(n,), mono, 16 kHz.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np
import opensmile  # type: ignore[import-not-found,unused-ignore]
from peer_memory import peak_mb  # type: ignore[import-not-found,unused-ignore]

_WINDOW, _HOP = 48_000, 4_000


def main() -> None:
    """Measure and print."""
    sound = np.load(sys.argv[1])
    smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals, num_workers=1)
    smile.process_signal(sound[:_WINDOW], 16_000)  # loading is not measured
    apart_ms, often_ms = (_window_ms(smile, sound, hop) for hop in (_WINDOW, _HOP))
    found = {
        "cpu_ms_per_s_once_in_3_s": apart_ms / (_WINDOW / 16_000),
        "cpu_ms_per_s_4_times_a_s": often_ms / (_HOP / 16_000),
        "cpu_ms_per_estimate": apart_ms,
        "rss_mb": peak_mb(),
    }
    print(json.dumps(found))


def _window_ms(smile: Any, sound: Any, hop: int) -> float:
    """CPU of one window, median; they begin `hop` samples apart."""
    spent = []
    for begin in range(0, len(sound) - _WINDOW + 1, hop):
        before = time.process_time()
        smile.process_signal(sound[begin : begin + _WINDOW], 16_000)
        spent.append((time.process_time() - before) * 1e3)
    return float(np.median(spent))


if __name__ == "__main__":
    main()
