"""The process that speaks with Piper. It stands apart because Piper's engine is GPL-3: the bridge only pipes to it.

Run as `python tts_piper_worker.py MODEL CONFIG THREADS`. One JSON line in per order: `{"id", "text", "pace"}`, or
`{"stop": id}` to break off. Out, for each sentence: one JSON line `{"id", "sample_rate", "bytes", "phonemes":
[[phoneme, samples] …]}` and that many bytes of PCM16; at the end `{"id", "done": true}` or `{"id", "error"}`.
First of all one line `{"ready": sample_rate}`. Ends when its standard input closes.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from pathlib import Path
from typing import Any, BinaryIO

# A second `graph` field appended to a serialized ModelProto is merged into the first (protobuf encoding, "Last One
# Wins"): this one adds the tensor that holds each phoneme's length to the graph's outputs, without any ONNX tool.
_LENGTHS = b"/Ceil_output_0"
_OUTPUT = b"\x0a" + bytes([len(_LENGTHS)]) + _LENGTHS  # ValueInfoProto.name
_GRAPH = b"\x62" + bytes([len(_OUTPUT)]) + _OUTPUT  # GraphProto.output
_PATCH = b"\x3a" + bytes([len(_GRAPH)]) + _GRAPH  # ModelProto.graph

_SEED = 1  # of the graph's noise, else drawn from the clock: a worker says the same lines in the same order alike


class _Session:
    """Piper's session, with few threads, and breakable while it runs."""

    def __init__(self, model: Path, threads: int) -> None:
        import onnxruntime

        onnxruntime.set_seed(_SEED)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        data = model.read_bytes()
        try:
            self._session = onnxruntime.InferenceSession(data + _PATCH, options, providers=["CPUExecutionProvider"])
        except Exception:  # another export names the tensor otherwise: it speaks without alignment
            self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        self._run_options = onnxruntime.RunOptions
        self._running: Any = None

    def run(self, names: list[str] | None, feeds: dict[str, Any]) -> Any:
        options = self._run_options()
        self._running = options
        try:
            return self._session.run(names, feeds, options)
        finally:
            self._running = None

    def stop(self) -> None:
        if (running := self._running) is not None:
            running.terminate = True


class _Worker:
    def __init__(self, model: Path, config: Path, threads: int, out: BinaryIO) -> None:
        from piper import PiperConfig, PiperVoice

        self._session = _Session(model, threads)
        settings = PiperConfig.from_dict(json.loads(config.read_text(encoding="utf-8")))
        self._voice = PiperVoice(session=self._session, config=settings)
        self._out = out
        self._orders: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._stopped: set[int] = set()
        self._now: int | None = None
        self._say({"ready": settings.sample_rate})

    def read(self) -> None:
        """Take orders as they come, on a thread of its own: a stop must reach a running sentence."""
        for line in sys.stdin.buffer:
            order = json.loads(line)
            if (stop := order.get("stop")) is None:
                self._orders.put(order)
                continue
            self._stopped.add(stop)
            if stop == self._now:
                self._session.stop()
        self._orders.put(None)
        self._session.stop()

    def work(self) -> None:
        """Speak what was ordered, one after the other."""
        while (order := self._orders.get()) is not None:
            self._now = order["id"]
            try:
                if self._now not in self._stopped:
                    self._speak(order)
                self._say({"id": self._now, "done": True})
            except Exception as error:
                if self._now in self._stopped:
                    self._say({"id": self._now, "done": True})
                else:
                    self._say({"id": self._now, "error": f"{type(error).__name__}: {error}"[:300]})
            self._stopped.discard(self._now)
            self._now = None

    def _speak(self, order: dict[str, Any]) -> None:
        from piper import SynthesisConfig

        manner = SynthesisConfig(length_scale=self._voice.config.length_scale * order["pace"])
        for chunk in self._voice.synthesize(order["text"], manner, include_alignments=True):
            if order["id"] in self._stopped:
                return
            pcm = chunk.audio_int16_bytes
            timed = chunk.phoneme_alignments or []
            head = {
                "id": order["id"],
                "sample_rate": chunk.sample_rate,
                "bytes": len(pcm),
                "phonemes": [[one.phoneme, int(one.num_samples)] for one in timed],
            }
            self._say(head, pcm)

    def _say(self, head: dict[str, Any], pcm: bytes = b"") -> None:
        self._out.write(json.dumps(head).encode() + b"\n" + pcm)
        self._out.flush()


def main() -> None:
    """Load the voice and speak until the parent goes."""
    # Whatever a library prints must not fall between the frames.
    pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    worker = _Worker(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), pipe)
    threading.Thread(target=worker.read, name="orders", daemon=True).start()
    worker.work()


if __name__ == "__main__":
    main()
