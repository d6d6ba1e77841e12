"""A language model on this machine: llama.cpp in a process of its own, spoken to in OpenAI's format."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import secrets
import sys
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import httpx

from cloud_bridge.cache import cache_folder, touch, trim
from cloud_bridge.errors import ModelAbsent, ProviderBusy
from cloud_bridge.providers.base import Call, Message, Offered, Round, Usage
from cloud_bridge.providers.openai import OpenAI

_WORKER = Path(__file__).with_name("llama_worker.py")
_LOAD_S = 120.0
_SILENCE_S = 90.0  # a cold prompt on a busy small machine; an answer's own deadline is far shorter
_CONTEXT = 3072  # tokens
_MOST_MB = 256  # of computed prompts, each some 30: of other models, other tools, other versions
_JSON = ("{", "`")  # what a call begins with that a small model writes as text
# GNU OpenMP's default is to spin between jobs; measured here, that costs a shared machine 98 % of its speed.
_QUIET = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}
# Sampling for spoken answers: a little variety, no loops.
_SAMPLING = {"temperature": 0.4, "top_p": 0.9, "min_p": 0.05, "repeat_penalty": 1.1, "seed": 7, "cache_prompt": True}


class Llama:
    """One GGUF file, served by a worker process that is started again when it dies."""

    small = True
    continues = True

    def __init__(self, file: Path, *, threads: int | None = None) -> None:
        self.name = f"{file.stem} on this machine"
        self.usage = Usage()
        self._file = file
        self._threads = threads or max(1, min(4, len(os.sched_getaffinity(0))))
        self._worker: asyncio.subprocess.Process | None = None
        self._http: OpenAI | None = None
        self._starting = asyncio.Lock()

    async def start(self) -> None:
        """Load the model. Raises ModelAbsent where the engine is not installed or cannot read the file."""
        async with self._starting:
            if self._serving():
                return
            await self.close()
            key = secrets.token_hex(16)
            worker = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",  # the worker's folder holds an openai.py
                str(_WORKER),
                str(self._file),
                str(_CONTEXT),
                str(self._threads),
                str(_cache_folder()),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={**os.environ, **_QUIET, "MIEN_LLAMA_KEY": key},
                start_new_session=True,  # Ctrl-C is for the bridge, which then ends its workers in order
            )
            assert worker.stdout is not None
            assert worker.stderr is not None
            tail = asyncio.create_task(_tail(worker.stderr))
            self._worker, self._drain = worker, tail
            try:
                async with asyncio.timeout(_LOAD_S):
                    line = await worker.stdout.readline()
            except TimeoutError as error:
                await self.close()
                raise ProviderBusy(f"{self._file.name} did not load within {_LOAD_S:.0f} s") from error
            if not line:
                reason = await tail
                await self.close()
                if "No module named 'xllamacpp'" in reason:
                    raise ModelAbsent("the local model needs llama.cpp: pip install 'mien[local-llm]'")
                raise ModelAbsent(f"llama.cpp cannot run {self._file}: {reason[-300:].strip() or 'no reason given'}")
            self._http = OpenAI(
                self._file.stem,
                f"{json.loads(line)['address']}/v1",
                key,
                small=True,
                silence_s=_SILENCE_S,
                extra=_SAMPLING,
            )
            self._http.usage = self.usage

    def _serving(self) -> bool:
        return self._http is not None and self._worker is not None and self._worker.returncode is None

    async def prime(
        self, messages: Sequence[Message], *, lasting: bool = False, offered: Sequence[Offered] = ()
    ) -> None:
        """Compute `messages` into the model's cache; a lasting prompt is kept on disk for the next start."""
        tools = [[one.name, one.description, dict(one.parameters)] for one in offered]
        text = json.dumps([_CONTEXT, [[one.role, one.text] for one in messages], *tools])
        name = f"{self._file.stem}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.kv"
        kept = lasting and await self._slot("restore", name)
        async with contextlib.aclosing(self.consult(messages, offered, (), 1)) as pieces:
            async for _ in pieces:
                pass
        if lasting and kept:
            touch(_cache_folder() / name)
        elif lasting and await self._slot("save", name):
            with contextlib.suppress(OSError):
                await asyncio.to_thread(trim, _cache_folder(), _MOST_MB * 1_000_000)

    async def _slot(self, action: str, name: str) -> bool:
        """Save or restore the computed prompt. A cache that cannot be used costs time, not function."""
        if self._http is None or (action == "restore" and not (_cache_folder() / name).is_file()):
            return False
        for _ in range(2):  # the server may close a warm connection just as it is taken again
            with contextlib.suppress(httpx.HTTPError):
                answer = await self._http.http.post(f"../slots/0?action={action}", json={"filename": name})
                return answer.status_code == 200
        return False

    async def stream(
        self, messages: Sequence[Message], max_tokens: int, used: Usage | None = None
    ) -> AsyncGenerator[str, None]:
        """Pieces of the answer as they come."""
        async with contextlib.aclosing(self.consult(messages, (), (), max_tokens, used)) as pieces:
            async for piece in pieces:
                if isinstance(piece, str):
                    yield piece

    async def consult(
        self,
        messages: Sequence[Message],
        offered: Sequence[Offered],
        rounds: Sequence[Round],
        max_tokens: int,
        used: Usage | None = None,
        *,
        may_call: bool = True,
    ) -> AsyncGenerator[str | Call, None]:
        """See `ToolUser`. The worker reads calls out of the model's text, by the model's own template; one that a small
        model writes as plain JSON is read here."""
        if not self._serving():
            await self.start()
        assert self._http is not None
        asked = self._http.consult(messages, offered, rounds, max_tokens, used, may_call=may_call)
        written = ""
        async with contextlib.aclosing(asked) as pieces:
            async for piece in pieces:
                if isinstance(piece, str) and offered and (written + piece).lstrip().startswith(_JSON):
                    written += piece
                else:
                    yield piece
        if written:
            yield _call(written, [one.name for one in offered]) or written

    async def forget(self) -> None:
        """End the worker, with every prompt that it kept; the next answer starts another."""
        async with self._starting:
            await self.close()

    async def close(self) -> None:
        """End the worker."""
        if self._http is not None:
            await self._http.close()
            self._http = None
        worker, self._worker = self._worker, None
        if worker is None:
            return
        if worker.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                worker.kill()  # it holds nothing that is worth an orderly end
        await worker.wait()
        await self._drain


def _call(written: str, names: Sequence[str]) -> Call | None:
    """The call that `written` is: an object with a tool's name and its arguments, bare or fenced as code."""
    try:
        found = json.loads(written[written.index("{") : written.rindex("}") + 1])
    except ValueError:
        return None
    if not isinstance(found, dict) or found.get("name") not in names:
        return None
    return Call(secrets.token_hex(4), found["name"], json.dumps(found.get("arguments") or {}))


def _cache_folder() -> Path:
    """Where computed prompts lie: the user's cache folder."""
    folder = cache_folder("prompts")
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


async def _tail(stream: asyncio.StreamReader) -> str:
    """Read to the end, keeping the last 2,000 characters: an engine's complaint stands at the end."""
    kept = ""
    while chunk := await stream.read(4096):
        kept = (kept + chunk.decode(errors="replace"))[-2000:]
    return kept
