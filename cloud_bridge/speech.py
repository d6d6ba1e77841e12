"""Speech for every session: one voice, a fallback where there is one, and a cache of lines that are said often."""

from __future__ import annotations

import asyncio
import contextlib
from array import array
from collections.abc import AsyncGenerator, Iterable

from cloud_bridge.breaker import Breaker
from cloud_bridge.errors import ModelAbsent, ProviderError
from cloud_bridge.providers.base import Sound, Viseme, Voice
from cloud_bridge.speech_cache import SpeechCache

_SILENCE = 260  # of 32,767: -42 dB of full scale
_MARGIN_MS = 12  # kept before the first loud sample; four times that after the last


class Speech:
    """Speaks with `voice`; with `spare` for as long as `voice` fails. `cache`: for the next start."""

    def __init__(self, voice: Voice, spare: Voice | None = None, cache: SpeechCache | None = None) -> None:
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
            kept = self._cache
            sounds = await asyncio.to_thread(kept.read, self._voice.identity, line) if kept is not None else None
            if sounds is None:
                sounds = _trimmed([sound async for sound in self._voice.speak(line)])
                if kept is not None:
                    await asyncio.to_thread(kept.write, self._voice.identity, line, sounds)
            if sounds:
                self._lines[line] = sounds

    def prepared(self, line: str) -> tuple[Sound, ...]:
        """The sound of a line that was prepared; none: it was not."""
        return self._lines.get(line, ())

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
