"""A neural voice on this machine: Piper in a process of its own (its engine is GPL-3)."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from cloud_bridge import visemes
from cloud_bridge.errors import ModelAbsent, ProviderBusy, ProviderError
from cloud_bridge.providers.base import Sound

_WORKER = Path(__file__).with_name("tts_piper_worker.py")
_LOAD_S = 60.0
_SENTENCE_S = 15.0  # longest wait for the next part of a sentence


class Piper:
    """One voice file, spoken by a worker process that is started again when it dies."""

    def __init__(self, model: Path, config: Path, *, threads: int = 1) -> None:
        self.name = f"{model.stem} on this machine"
        self.identity = f"piper-{model.stem}-{model.stat().st_size}"
        self._command = [sys.executable, "-P", str(_WORKER), str(model), str(config), str(threads)]
        self._ids = itertools.count(1)
        self._worker: asyncio.subprocess.Process | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._waiting: dict[int, asyncio.Queue[dict[str, Any] | None]] = {}
        self._starting = asyncio.Lock()
        self._alive = False  # its pipe still speaks; known before the process is reaped
        self._complaint = ""

    async def start(self) -> None:
        """Load the voice. Raises ModelAbsent where the engine is not installed or cannot read the file."""
        async with self._starting:
            if self._alive:
                return
            await self.close()
            worker = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                start_new_session=True,  # Ctrl-C is for the bridge, which then ends its workers in order
            )
            assert worker.stdout is not None
            self._worker, self._complaint = worker, ""
            complaints = asyncio.create_task(self._complaints(worker))
            self._tasks = [complaints]
            try:
                async with asyncio.timeout(_LOAD_S):
                    line = await worker.stdout.readline()
            except TimeoutError as error:
                await self.close()
                raise ProviderBusy(f"the voice did not load within {_LOAD_S:.0f} s") from error
            if not line:
                await complaints
                await self.close()
                if "No module named 'piper'" in self._complaint:
                    raise ModelAbsent("the voice needs Piper: pip install 'mien[local-tts]', or choose --tts espeak")
                raise ModelAbsent(f"Piper cannot speak with {self._command[3]}: {self._complaint[-300:].strip()}")
            self._alive = True
            self._tasks.append(asyncio.create_task(self._deliver(worker)))

    async def speak(self, text: str, pace: float = 1.0) -> AsyncGenerator[Sound, None]:
        """The sentence as sound, with its mouth shapes."""
        if not self._alive:
            await self.start()
        order = next(self._ids)
        parts: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._waiting[order] = parts
        finished = False
        try:
            self._tell({"id": order, "text": text, "pace": pace})
            while True:
                try:
                    async with asyncio.timeout(_SENTENCE_S):
                        part = await parts.get()
                except TimeoutError as error:
                    raise ProviderBusy(f"the voice was silent for {_SENTENCE_S:.0f} s") from error
                if part is None or "error" in part:
                    finished = True
                    raise ProviderError(f"the voice failed: {part['error'] if part else 'its process ended'}")
                if part.get("done"):
                    finished = True
                    return
                yield Sound(part["pcm"], part["sample_rate"], visemes.from_phonemes(part["phonemes"]))
        finally:
            del self._waiting[order]
            if not finished:
                self._tell({"stop": order})

    def _tell(self, order: dict[str, Any]) -> None:
        if self._alive and self._worker is not None and self._worker.stdin is not None:
            self._worker.stdin.write(json.dumps(order).encode() + b"\n")

    async def _deliver(self, worker: asyncio.subprocess.Process) -> None:
        assert worker.stdout is not None
        try:
            while line := await worker.stdout.readline():
                part = json.loads(line)
                if size := part.get("bytes"):
                    part["pcm"] = await worker.stdout.readexactly(size)
                if (parts := self._waiting.get(part["id"])) is not None:
                    parts.put_nowait(part)
        except (asyncio.IncompleteReadError, ValueError, KeyError, TypeError):
            pass  # it died in the middle of a part, or what it says cannot be followed any more
        finally:
            self._alive = False  # the next sentence starts another
            for parts in self._waiting.values():
                parts.put_nowait(None)

    async def _complaints(self, worker: asyncio.subprocess.Process) -> None:
        assert worker.stderr is not None
        while chunk := await worker.stderr.read(4096):
            self._complaint = (self._complaint + chunk.decode(errors="replace"))[-2000:]

    async def close(self) -> None:
        """End the worker."""
        worker, self._worker, self._alive = self._worker, None, False
        if worker is None:
            return
        if worker.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                worker.kill()
        await worker.wait()
        await asyncio.gather(*self._tasks, return_exceptions=True)
