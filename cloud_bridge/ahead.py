"""Openings sent ahead: the first words of an answer lie at the device when the turn ends, which then says them itself.

Only of a hosted model: its openings fit whatever is said, so that the tone alone decides. A model on this machine goes
on from its opening, which is chosen by the words, and there the way to the device is short.
"""

from __future__ import annotations

from collections.abc import Sequence

from cloud_bridge import opening
from cloud_bridge.ingest.base import Device, Link
from cloud_bridge.plan import Tools
from cloud_bridge.sender import shapes
from edge.wire import mien_pb2


class Ahead:
    """What lies ready at one device."""

    def __init__(self, device: Device, link: Link, tools: Tools) -> None:
        self._link = link
        self._speech = tools.speech if device.keeps_opening and not tools.model.continues else None
        self._turn, self._tone, self._line = 0, "", ""

    async def offer(self, turn: int, tone: str, recent: Sequence[str]) -> None:
        """Lay an opening of `tone` ready for `turn`, unless it lies there. `recent`: lines that were used lately."""
        if self._speech is None or not turn or (turn, tone) == (self._turn, self._tone):
            return
        line = opening.pick(tone, None, recent, turn, brief=True)
        sounds = self._speech.prepared(line)
        if not sounds:
            return
        self._turn, self._tone, self._line = turn, tone, line
        kept = mien_pb2.Opening(turn=turn, text=line, tone=tone)
        kept.audio.sample_rate = sounds[0].sample_rate
        kept.audio.pcm16 = b"".join(sound.pcm for sound in sounds)
        from_ms = 0.0
        for sound in sounds:
            kept.visemes.viseme.extend(shapes(sound, from_ms))
            from_ms += sound.samples * 1000 / sound.sample_rate
        await self._link.command(mien_pb2.Command(opening=kept))

    async def withdraw(self) -> None:
        """Take it back: the answer itself is there, and needs no opening any more."""
        turn, self._turn = self._turn, 0
        if turn:
            await self._link.command(mien_pb2.Command(opening=mien_pb2.Opening(turn=turn)))

    def said(self, turn: int) -> str:
        """The line that the device says as `turn` ends; empty where none lies there."""
        return self._line if turn and turn == self._turn else ""
