"""The way back: reply chunks are put in order, and played and shown while they are still wanted."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from edge import clock
from edge.wire import mien_pb2

log = logging.getLogger(__name__)

GAP_S = 1.0  # a missing chunk is waited for so long, then given up
_AHEAD = 512  # chunks held while one is missing
_TURNS = 8  # whose times are kept


class Player(Protocol):
    """What replies need of an `edge.outputs.base.Output`."""

    def play(self, audio: bytes, sample_rate: int) -> None:
        """Queue 16-bit mono sound."""

    def stop(self) -> None:
        """Be silent at once."""

    def show(self, text: str, final: bool) -> None:
        """Show text of the reply as it grows."""


class Replies:
    """Feeds `outputs`; `on_other` gets what they do not take (visemes, actions, video, failures), in order.

    Any thread may call any method; none waits. `counts`: chunks, late, doubled, cancelled, lost (given up in a gap),
    overflow, output_failed.
    """

    def __init__(
        self,
        outputs: Sequence[Player],
        on_other: Callable[[mien_pb2.Reply], None] = lambda reply: None,
        *,
        now_s: Callable[[], float] = clock.now_s,
    ) -> None:
        self._outputs = outputs
        self._on_other = on_other
        self._now_s = now_s
        self._lock = threading.RLock()
        self._reply, self._chunk = 0, 0  # what is expected next; reply 0: whatever comes first
        self._turn = 0  # of the reply that is under way
        self._ahead: dict[tuple[int, int], tuple[float, mien_pb2.Reply]] = {}
        self._gap_s = 0.0  # since when something is missing
        self._cancelled = 0
        self._quiet_s = 0.0  # when the sound that was queued will have been played
        self._ended: dict[int, float] = {}  # turn → end of its speech
        # Of the last turns: turn → from the end of its speech to the first sound of the reply.
        self.first_audio_ms: dict[int, float] = {}
        self.counts: Counter[str] = Counter()

    def accept(self, reply: mien_pb2.Reply) -> None:
        """Take one chunk as it comes from the link."""
        with self._lock:
            self.counts["chunks"] += 1
            place = (reply.reply, reply.chunk)
            if self._is_cancelled(reply):
                self.counts["cancelled"] += 1
                self._pass(reply.reply)
            elif place < (self._reply, self._chunk) or place in self._ahead:
                self.counts["doubled"] += 1
            elif len(self._ahead) >= _AHEAD:
                self.counts["overflow"] += 1
            else:
                now_s = self._now_s()
                expires_s = now_s + reply.ttl_ms / 1_000 if reply.ttl_ms else float("inf")
                if not self._ahead:
                    self._gap_s = now_s
                self._ahead[place] = (expires_s, reply)
            self._advance()

    def say(self, chunks: Sequence[mien_pb2.Reply]) -> None:
        """Give out `chunks` at once: they were kept here, and have no place among the bridge's replies."""
        with self._lock:
            for chunk in chunks:
                if not self._is_cancelled(chunk):
                    self._give(chunk)

    def poll(self) -> None:
        """Give up on a chunk that has been missing for too long. Call now and then; `speaking` does, too."""
        with self._lock:
            self._advance()

    def cancel(self, turn: int) -> None:
        """Barge-in: silence at once, and nothing more of the replies to `turn` and all before."""
        with self._lock:
            self._cancelled = max(self._cancelled, turn)
            self._quiet_s = 0.0
            if self._chunk and 0 < self._turn <= turn:
                self._pass(self._reply)
            for _, reply in list(self._ahead.values()):
                if self._is_cancelled(reply):
                    del self._ahead[reply.reply, reply.chunk]
                    self.counts["cancelled"] += 1
                    self._pass(reply.reply)
        for output in self._outputs:
            self._guard(output.stop)

    def turn_ended(self, turn: int, speech_end_s: float) -> None:
        """Tell when the speech of `turn` ended, so that `first_audio_ms` can be measured."""
        with self._lock:
            self._ended[turn] = speech_end_s
            while len(self._ended) > _TURNS:
                del self._ended[min(self._ended)]

    @property
    def speaking(self) -> bool:
        """Whether sound of a reply is being played."""
        with self._lock:
            self._advance()
            return self._now_s() < self._quiet_s

    @property
    def pending(self) -> bool:
        """Whether a reply has begun and its last chunk has not come."""
        with self._lock:
            self._advance()
            return self._chunk > 0 or bool(self._ahead)

    # ------------------------------------------------------------ inside; the lock is held

    def _advance(self) -> None:
        """Give out everything that is next; skip what has been missing for too long."""
        while self._ahead:
            now_s = self._now_s()
            place = min(self._ahead)
            expected = (self._reply, self._chunk)
            is_next = place == expected or (place[1] == 0 and self._chunk == 0) or self._reply == 0
            if not is_next and now_s - self._gap_s < GAP_S:
                return
            expires_s, reply = self._ahead.pop(place)
            if not is_next and self._reply:
                self.counts["lost"] += place[1] - self._chunk if place[0] == self._reply else 1
                if place[0] > self._reply and self._chunk:
                    self._end()  # its last chunk never came
            self._gap_s = now_s
            self._step(reply)
            if now_s <= expires_s:
                self._give(reply)
                continue
            self.counts["late"] += 1
            if reply.final:
                self._end()

    def _pass(self, number: int) -> None:
        """Go past a whole reply that is not played: the bridge stops it where it stands."""
        if number >= self._reply:
            self._reply, self._chunk = number + 1, 0

    def _step(self, reply: mien_pb2.Reply) -> None:
        self._turn = reply.turn
        self._reply, self._chunk = (reply.reply + 1, 0) if reply.final else (reply.reply, reply.chunk + 1)

    def _give(self, reply: mien_pb2.Reply) -> None:
        kind = reply.WhichOneof("kind")
        if kind == "audio":
            self._sound(reply)
        elif kind == "text":
            for output in self._outputs:
                self._guard(partial(output.show, reply.text.text, reply.final))
            return
        elif kind is not None:
            self._guard(lambda: self._on_other(reply))
        if reply.final:
            self._end()

    def _end(self) -> None:
        for output in self._outputs:
            self._guard(partial(output.show, "", True))

    def _sound(self, reply: mien_pb2.Reply) -> None:
        audio, now_s = reply.audio, self._now_s()
        if not audio.sample_rate or not audio.pcm16:
            return
        for output in self._outputs:
            self._guard(partial(output.play, audio.pcm16, audio.sample_rate))
        if reply.turn in self._ended:
            self.first_audio_ms.setdefault(reply.turn, (now_s - self._ended[reply.turn]) * 1_000)
            while len(self.first_audio_ms) > _TURNS:
                del self.first_audio_ms[min(self.first_audio_ms)]
        self._quiet_s = max(now_s, self._quiet_s) + len(audio.pcm16) / 2 / audio.sample_rate

    def _is_cancelled(self, reply: mien_pb2.Reply) -> bool:
        return 0 < reply.turn <= self._cancelled

    def _guard(self, call: Callable[[], None]) -> None:
        """One output that fails does not silence the others."""
        try:
            call()
        except Exception as error:  # its message may hold words
            self.counts["output_failed"] += 1
            log.error("an output failed on a reply: %s", type(error).__name__)
