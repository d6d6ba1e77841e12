"""Any server that speaks OpenAI's speech format: POST {base}/audio/speech, answered with raw PCM as it is made.

PCM there is 24 kHz, 16-bit signed little-endian, mono, without a header.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from cloud_bridge.providers import sse
from cloud_bridge.providers.base import Sound

_RATE = 24_000
_PIECE = 2 * _RATE // 10  # 100 ms


class OpenAISpeech:
    """A hosted voice. It tells no phonemes, so there are no mouth shapes."""

    def __init__(self, model: str, voice: str, base_url: str, key: str | None = None) -> None:
        self.name = f"{model} ({voice}) at {base_url}"
        self.identity = f"openai-{base_url}-{model}-{voice}"
        self._body = {"model": model, "voice": voice, "response_format": "pcm"}
        self._http = sse.client(base_url, {"Authorization": f"Bearer {key}"} if key else {})

    async def start(self) -> None:
        """Nothing to load; the connection opens with the first request."""

    async def speak(self, text: str, pace: float = 1.0) -> AsyncGenerator[Sound, None]:
        """The sentence as sound, in pieces of 100 ms."""
        body = {**self._body, "input": text, "speed": round(1 / pace, 2)}
        async with sse.posted(self._http, "audio/speech", body, self.name) as answer:
            left = b""
            async for data in answer.aiter_bytes():
                left += data
                whole = len(left) // _PIECE * _PIECE
                if whole:
                    yield Sound(left[:whole], _RATE)
                    left = left[whole:]
            if len(left) >= 2:
                yield Sound(left[: len(left) // 2 * 2], _RATE)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()
