"""What hearing costs, in a process of its own that keeps OpenBLAS on one core before numpy is loaded, as a device does.

The rest of `mien bench voice` trains heads on matrices that several cores share gladly. There a stream would be charged
for cores that only spin while small products wait: about twice its own time on two of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import numpy as np

from edge.perceive.speech import SpeechGate
from edge.perceive.voice import VoiceReader
from edge.types import AudioFrame
from models.speech_activity import SpeechActivityNet
from models.train.voice_data import Sound, read_sound, sample

_BLOCK = 512  # samples, 32 ms: how a microphone hands them over
_CLIPS = 40


def cost(limit: int | None) -> dict[str, float]:
    """CPU per second of speech with speech activity, and the time from a block's last sample to its observation.

    Blocks come one after another without a pause, so a block's compute time is its observation's age. Of RAVDESS'
    clips, thinned to `limit`, forty are heard. Raises CalledProcessError where the process fails.
    """
    done = subprocess.run(
        [sys.executable, "-m", __name__, json.dumps(limit)],
        stdout=subprocess.PIPE,
        check=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    metrics: dict[str, float] = json.loads(done.stdout)
    return metrics


def _measure(limit: int | None) -> dict[str, float]:
    clips = sample("ravdess", limit)
    sounds = [read_sound(clip.file) for clip in clips[:: max(1, len(clips) // _CLIPS)]]
    gate, reader = SpeechGate(SpeechActivityNet()), VoiceReader()
    _listen(sounds[0], gate, reader)  # the first pass warms
    times_s: list[float] = []
    speech_s, start = 0.0, time.process_time()
    for sound in sounds:
        heard_s, spent_s = _listen(sound, gate, reader)
        speech_s += heard_s
        times_s += spent_s
    cpu_s = time.process_time() - start
    return {
        "cpu_ms_per_speech_s": 1000.0 * cpu_s / speech_s,
        "observation_p99_ms": 1000.0 * float(np.quantile(times_s, 0.99)),
    }


def _listen(sound: Sound, gate: SpeechGate, reader: VoiceReader) -> tuple[float, list[float]]:
    """(seconds of speech, seconds that each block took which gave an estimate)."""
    gate.reset()
    reader.reset()
    heard_s, took_s = 0.0, []
    for at in range(0, len(sound) - _BLOCK + 1, _BLOCK):
        start = time.perf_counter()
        for chunk in gate.feed(AudioFrame("bench", at, at / 16_000, sound[at : at + _BLOCK])):
            activity = chunk.activity
            heard_s += 0.032 * activity.speaking
            if reader.feed(chunk.samples, chunk.t_s, activity.probability, activity.speaking) is not None:
                took_s.append(time.perf_counter() - start)
    return heard_s, took_s


if __name__ == "__main__":
    print(json.dumps(_measure(json.loads(sys.argv[1]))))
