"""The first words to answer a turn, sent ahead by the bridge: said as the turn ends, with no way there and back."""

from __future__ import annotations

import threading

from edge.wire import mien_pb2


class KeptOpening:
    """The newest opening that came, until its turn ends or is given up. Any thread may call any method."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: mien_pb2.Opening | None = None
        self._ended = 0  # the last turn that is over
        self._settled = 0  # the last turn that was opened, or that nobody waits for: nothing is said for it any more

    def keep(self, opening: mien_pb2.Opening) -> list[mien_pb2.Reply]:
        """Keep `opening` in the place of what was kept. What is to be said now: it, where its turn is over already."""
        with self._lock:
            self._kept = opening
            return self._due() if opening.turn == self._ended else []

    def end(self, turn: int) -> list[mien_pb2.Reply]:
        """`turn` is over: what is to be said now, as chunks of a reply; nothing where no opening for it is here."""
        with self._lock:
            self._ended = turn
            return self._due()

    def drop(self, turn: int) -> None:
        """The person spoke again: nothing is said any more for `turn` and all before."""
        with self._lock:
            self._settled = max(self._settled, turn)

    def _due(self) -> list[mien_pb2.Reply]:
        kept = self._kept
        if kept is None or kept.turn != self._ended or kept.turn <= self._settled or not kept.audio.pcm16:
            return []
        self._kept, self._settled = None, kept.turn
        text = mien_pb2.Text(text=kept.text, opening=True, tone=kept.tone)
        chunks = [mien_pb2.Reply(turn=kept.turn, text=text)]
        if kept.visemes.viseme:
            chunks.append(mien_pb2.Reply(turn=kept.turn, visemes=kept.visemes))
        return [*chunks, mien_pb2.Reply(turn=kept.turn, audio=kept.audio)]
