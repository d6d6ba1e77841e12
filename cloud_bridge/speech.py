"""Speech for every session: one voice, a fallback where there is one, and a cache of lines that are said often."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
from array import array
from collections.abc import AsyncGenerator, Iterable
from pathlib import Path

from cloud_bridge.breaker import Breaker
from cloud_bridge.errors import ModelAbsent, ProviderError
from cloud_bridge.providers.base import Sound, Viseme, Voice

_SILENCE = 260  # of 32,767: -42 dB of full scale
_MARGIN_MS = 12  # kept before the first loud sample; four times that after the last


class Speech:
    """Speaks with `voice`; with `spare` for as long as `voice` fails. `cache`: folder for prepared lines, or None."""

    def __init__(self, voice: Voice, spare: Voice | None = None, cache: Path | None = None) -> None:
        self.name = voice.name
        self._voice = voice
        self._spare = spare
        self._breaker = Breaker()
        self._cache = cache
        self._lines: dict[str, tuple[Sound, ...]] = {}

    async def start(self) -> None:
        """Make the voice ready. Raises ModelAbsent or ProviderError."""
        await self._voice.start()
        if self._spare is not None:
            try:
                await self._spare.start()
            except (ModelAbsent, ProviderError):
                self._spare = None

    async def say(self, text: str, pace: float = 1.0) -> AsyncGenerator[Sound, None]:
        """The sentence as sound, in pieces as they come. Raises ProviderError when every voice failed."""
        for sound in self._lines.get(text, ()):
            yield sound
        if text in self._lines:
            return
        started = False
        if self._breaker.closed():
            try:
                async with contextlib.aclosing(self._voice.speak(text, pace)) as sounds:
                    async for sound in sounds:
                        started = True
                        yield sound
                self._breaker.good()
                return
            except (ProviderError, ModelAbsent):
                self._breaker.bad()
                if started or self._spare is None:  # half a sentence is not begun again in another voice
                    raise
        elif self._spare is None:
            raise ProviderError(f"{self.name} failed several times and rests for a moment")
        assert self._spare is not None
        async with contextlib.aclosing(self._spare.speak(text, pace)) as sounds:
            async for sound in sounds:
                yield sound

    async def prepare(self, lines: Iterable[str]) -> None:
        """Synthesise `lines` now, or take them from the cache, so that saying them takes no time."""
        for line in lines:
            if line in self._lines:
                continue
            file = self._file(line)
            sounds = await asyncio.to_thread(_read, file) if file is not None else None
            if sounds is None:
                sounds = _trimmed([sound async for sound in self._voice.speak(line)])
                if file is not None:
                    await asyncio.to_thread(_write, file, sounds)
            if sounds:
                self._lines[line] = sounds

    def prepared(self, line: str) -> tuple[Sound, ...]:
        """The sound of a line that was prepared; none: it was not."""
        return self._lines.get(line, ())

    def _file(self, line: str) -> Path | None:
        if self._cache is None:
            return None
        key = hashlib.sha256(f"2\n{self._voice.identity}\n{line}".encode()).hexdigest()[:32]
        return self._cache / f"{key}.speech"

    async def close(self) -> None:
        """End the voices."""
        await self._voice.close()
        if self._spare is not None:
            await self._spare.close()


def _trimmed(sounds: list[Sound]) -> tuple[Sound, ...]:
    """`sounds` without the silence before and after: what is said at once should be heard at once."""
    if len(sounds) != 1:
        return tuple(sounds)
    (sound,) = sounds
    samples = array("h", sound.pcm)  # little-endian, as this machine is
    keep = sound.sample_rate * _MARGIN_MS // 1000
    loud = [index for index in range(0, len(samples), 16) if abs(samples[index]) > _SILENCE]
    if not loud:
        return (sound,)
    first, last = max(0, loud[0] - keep), min(len(samples), loud[-1] + 4 * keep)
    visemes = []
    for one in sound.visemes:
        start, end = max(one.at, first), min(one.at + one.length, last)
        if end > start:
            visemes.append(Viseme(start - first, end - start, one.shape))
    return (Sound(samples[first:last].tobytes(), sound.sample_rate, tuple(visemes)),)


def cache_folder() -> Path:
    """Where prepared lines lie: the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mien" / "speech"


def _read(file: Path) -> tuple[Sound, ...] | None:
    """Lines of a cache file: one JSON header line, then the PCM of all parts. None where it is missing or broken."""
    try:
        head, _, pcm = file.read_bytes().partition(b"\n")
        sounds: list[Sound] = []
        at = 0
        for part in json.loads(head):
            visemes = tuple(Viseme(int(a), int(b), str(c)) for a, b, c in part["visemes"])
            sounds.append(Sound(pcm[at : at + part["bytes"]], int(part["sample_rate"]), visemes))
            at += part["bytes"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return tuple(sounds) if at == len(pcm) and at else None


def _write(file: Path, sounds: tuple[Sound, ...]) -> None:
    """Keep `sounds`; a cache that cannot be written costs time, not function."""
    head = [
        {
            "sample_rate": sound.sample_rate,
            "bytes": len(sound.pcm),
            "visemes": [[one.at, one.length, one.shape] for one in sound.visemes],
        }
        for sound in sounds
    ]
    fresh = file.with_suffix(f".{os.getpid()}")
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_bytes(json.dumps(head).encode() + b"\n" + b"".join(sound.pcm for sound in sounds))
        fresh.replace(file)
