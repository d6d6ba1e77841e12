"""One reply on its way to the device: chunks in order, mouth shapes and sound on one time line."""

from __future__ import annotations

from cloud_bridge.ingest.base import Link
from cloud_bridge.providers.base import Sound
from edge.wire import mien_pb2

CHUNK_MS = 120
TTL_MS = 20_000


class Sender:
    """Sends one reply to `turn` over `link`; the reply's number is drawn at the first chunk."""

    def __init__(self, link: Link, turn: int) -> None:
        self._link = link
        self._turn = turn
        self._reply = 0
        self._chunk = 0
        self._sent_ms = 0.0  # sound sent, as time from the reply's first sample

    async def text(self, text: str, tone: str, *, opening: bool = False) -> None:
        """A sentence, before its sound."""
        await self._send(mien_pb2.Reply(text=mien_pb2.Text(text=text, opening=opening, tone=tone)))

    async def sound(self, sound: Sound) -> None:
        """Mouth shapes first, then the sound in short chunks."""
        rate = sound.sample_rate
        if sound.visemes:
            await self._send(mien_pb2.Reply(visemes=mien_pb2.Visemes(viseme=shapes(sound, self._sent_ms))))
        step = 2 * (rate * CHUNK_MS // 1000)
        for at in range(0, len(sound.pcm), step):
            audio = mien_pb2.Audio(
                sample_rate=rate, pcm16=sound.pcm[at : at + step], offset=round(self._sent_ms * rate / 1000) + at // 2
            )
            await self._send(mien_pb2.Reply(audio=audio))
        self._sent_ms += sound.samples * 1000 / rate

    async def end(self, failure: str | None) -> None:
        """The last chunk; `failure` says why something is missing."""
        final = mien_pb2.Reply(final=True)
        if failure is not None:
            final.failure.reason = failure[:200]
        await self._send(final)

    async def _send(self, reply: mien_pb2.Reply) -> None:
        if not self._reply:
            self._reply = self._link.next_reply()
        reply.reply = self._reply
        reply.turn = self._turn
        reply.chunk = self._chunk
        reply.ttl_ms = TTL_MS
        self._chunk += 1
        await self._link.send(reply)


def shapes(sound: Sound, from_ms: float) -> list[mien_pb2.Viseme]:
    """The mouth shapes of `sound`, which begins `from_ms` after the first sample of all."""
    rate = sound.sample_rate
    return [
        mien_pb2.Viseme(
            at_ms=round(from_ms + one.at * 1000 / rate), duration_ms=round(one.length * 1000 / rate), viseme=one.shape
        )
        for one in sound.visemes
    ]
