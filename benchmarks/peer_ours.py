"""Our side of a comparison, in a process of its own like every peer: `peer_ours WHAT FILE`,
WHAT being `voice`, `face`, `face_adaptive`, `words` or `frames` (with a count instead of a file).

Prints the same keys as the peer's script. Voice: pitch, level, rate and pauses, the encoder's features, and affect; as
the device does it, four times a second, and asked only once in three seconds.
`face`: everything that `Sight` reads, landmarks and expression from every picture. `face_adaptive`: the mean at the
rates of the device, where a face that did not move is not read again. `words`: each utterance as one turn. `frames`:
blocks of sound from thread to thread as the loop hands them on, through a detector that does nothing.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np

from edge.health import memory_mb
from models.session import share_memory

_BLOCK, _WARM = 512, 31  # samples of one; blocks of the first second, which warms up


def main() -> None:
    """Measure and print."""
    share_memory()
    what, file = sys.argv[1:3]
    pictures_hz = 15.0
    found: dict[str, Any]
    if what == "voice":
        found = _voice(np.load(file))
    elif what == "words":
        found = _words(np.load(file))
    elif what == "frames":
        found = _frames(int(file))
    else:
        found = _face(np.load(file, mmap_mode="r"), pictures_hz, every=what == "face")
    print(json.dumps({**found, "rss_mb": memory_mb()[1]}))


def _voice(sound: Any) -> dict[str, float]:
    often_ms, estimates = _hear(sound, _Often())
    apart_ms, _ = _hear(sound, _Apart())
    seconds = (len(sound) // _BLOCK - _WARM) * _BLOCK / 16_000
    return {
        "cpu_ms_per_s_once_in_3_s": apart_ms / seconds,
        "cpu_ms_per_s_4_times_a_s": often_ms / seconds,
        "cpu_ms_per_estimate": often_ms / max(estimates, 1),
    }


def _hear(sound: Any, affect: _Often | _Apart) -> tuple[float, int]:
    """CPU in ms of prosody and affect after the first second, and how many estimates of affect came."""
    from edge.perceive.prosody import ProsodyReader
    from edge.perceive.speech import Chunk
    from edge.types import SpeechActivity

    prosody, estimates, before = ProsodyReader(), 0, 0.0
    for index in range(len(sound) // _BLOCK):
        if index == _WARM:
            before = time.process_time()
        samples, t_s = sound[index * _BLOCK : (index + 1) * _BLOCK], index * _BLOCK / 16_000
        end_s = t_s + _BLOCK / 16_000
        activity = SpeechActivity(t_s=end_s, confidence=None, probability=0.9, speaking=True, speech_s=end_s)
        prosody.feed(Chunk(t_s, samples, activity, 0.0, end_s))
        estimates += affect.feed(samples, t_s) and index >= _WARM
    return (time.process_time() - before) * 1e3, estimates


class _Often:
    """Affect as the device reads it."""

    def __init__(self) -> None:
        from edge.perceive.voice import VoiceReader

        self._reader = VoiceReader()

    def feed(self, samples: Any, t_s: float) -> bool:
        return self._reader.feed(samples, t_s, 0.9, True) is not None


class _Apart:
    """Affect of each three seconds, side by side: the same encoder and head."""

    def __init__(self) -> None:
        from models.voice_head import VoiceHead
        from models.whisper_encoder import PASSAGE_CHUNKS, WhisperEncoder

        self._encoder, self._head, self._wanted = WhisperEncoder(), VoiceHead(), PASSAGE_CHUNKS
        self._chunks: list[Any] = []

    def feed(self, samples: Any, _t_s: float) -> bool:
        self._chunks += self._encoder.feed(samples)
        if len(self._chunks) < self._wanted:
            return False
        found = self._head.estimate(np.concatenate(self._chunks))
        self._chunks = []
        return found is not None


def _words(given: Any) -> dict[str, Any]:
    from edge.perceive.words import WordFinder

    finder, sounds = WordFinder(), np.split(given["sound"], given["ends"][:-1])
    finder.find(sounds[0])
    before = time.process_time()
    found = [finder.find(each) for each in sounds]
    spent_ms = (time.process_time() - before) * 1e3
    texts = ["" if one is None else one.text for one in found]
    return {"cpu_ms_per_s": spent_ms / (given["ends"][-1] / 16_000), "texts": texts}


def _frames(count: int) -> dict[str, float]:
    from edge.slots import Slot
    from edge.types import AudioFrame
    from edge.worker import Worker

    frames: Slot[AudioFrame] = Slot(64)
    found: Slot[Any] = Slot(64)
    worker = Worker("frames", _HandOn, frames, found)
    worker.start()
    block = np.zeros(512, np.float32)
    before = time.process_time()
    for index in range(count):
        frames.put_wait(AudioFrame("peer", index, index * 0.032, block))
        found.take(1.0)
    return {"cpu_us_per_frame": (time.process_time() - before) / count * 1e6, "frames": worker.frames}


class _HandOn:
    def feed(self, frame: Any) -> Any:
        return [frame]

    def reset(self) -> None:
        pass


def _face(pictures: Any, pictures_hz: float, *, every: bool) -> dict[str, float]:
    from edge.perceive.sight import Sight
    from edge.types import FaceSeen, VideoFrame

    sight = Sight(affect=True)
    if every:
        sight.set_rate(expression_hz=1000.0, still_hz=1000.0)
    spent, found = [], 0
    for index, picture in enumerate(pictures):
        frame = VideoFrame("peer", index, index / pictures_hz, np.array(picture))
        before = time.process_time()
        seen = sight.feed(frame)
        spent.append((time.process_time() - before) * 1e3)
        found += any(isinstance(one, FaceSeen) for one in seen)
    return {
        "cpu_ms_per_picture": float(np.median(spent) if every else np.mean(spent[5:])),
        "found": found / len(pictures),
    }


if __name__ == "__main__":
    main()
