"""A plain, robotic voice without any model: the `espeak-ng` program, run once for each sentence (GPL-3, a process)."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import wave
from collections.abc import AsyncGenerator
from io import BytesIO

from cloud_bridge import visemes
from cloud_bridge.errors import ModelAbsent, ProviderBusy, ProviderError
from cloud_bridge.providers.base import Sound

_SENTENCE_S = 5.0
_WORDS_PER_MIN = 165


class Espeak:
    """Speaks with the installed espeak-ng."""

    name = "espeak-ng on this machine"
    identity = "espeak-ng"

    @staticmethod
    def installed() -> bool:
        """Whether the program is there."""
        return shutil.which("espeak-ng") is not None

    async def start(self) -> None:
        """Raises ModelAbsent where the program is not installed."""
        if not self.installed():
            raise ModelAbsent("the plain voice needs espeak-ng: `sudo apt install espeak-ng`, or choose --tts piper")

    async def speak(self, text: str, pace: float = 1.0) -> AsyncGenerator[Sound, None]:
        """The sentence as one sound. Mouth shapes are spread evenly: espeak-ng's program gives no times."""
        speed = str(round(_WORDS_PER_MIN / pace))
        pcm, phonemes = await asyncio.gather(
            _run("espeak-ng", "-v", "en-us", "-s", speed, "--stdin", "--stdout", text=text),
            _run("espeak-ng", "-v", "en-us", "-q", "--ipa", "--stdin", text=text),
        )
        with wave.open(BytesIO(_sized(pcm))) as sound:
            rate, frames = sound.getframerate(), sound.readframes(sound.getnframes())
        if not frames:
            raise ProviderError("espeak-ng gave no sound")
        marks = list(re.sub(r"\([^)]*\)", "", phonemes.decode(errors="replace")).strip()) or [" "]
        step, rest = divmod(len(frames) // 2, len(marks))
        timed = [(mark, step + (rest if index == len(marks) - 1 else 0)) for index, mark in enumerate(marks)]
        yield Sound(frames, rate, visemes.from_phonemes(timed))

    async def close(self) -> None:
        """Nothing is kept open."""


def _sized(data: bytes) -> bytes:
    """A WAV header with its true length: written to a pipe, espeak-ng's header holds none."""
    at = data.find(b"data")
    if at < 0:
        raise ProviderError("espeak-ng gave no sound")
    return data[: at + 4] + (len(data) - at - 8).to_bytes(4, "little") + data[at + 8 :]


async def _run(*command: str, text: str) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(_SENTENCE_S):
            out, _ = await process.communicate(text.encode())
    except TimeoutError as error:
        raise ProviderBusy(f"espeak-ng was silent for {_SENTENCE_S:.0f} s") from error
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
    if process.returncode != 0:
        raise ProviderError(f"espeak-ng ended with {process.returncode}")
    return out
