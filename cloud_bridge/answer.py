"""One answer: opening, thought, sentences, sound. Made while it may still be dropped, sent once the turn is over."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import asdict
from functools import partial

from cloud_bridge.ending import end
from cloud_bridge.errors import ModelAbsent, ProviderError, without_content
from cloud_bridge.ingest.base import Link
from cloud_bridge.plan import Plan, Report, Tools
from cloud_bridge.providers.base import Sound, Usage
from cloud_bridge.sender import Sender
from cloud_bridge.thought import Thought

_log = logging.getLogger(__name__)

WORDS_S = 2.0  # after the turn's end, how long its words are waited for
NEXT_SENTENCE_S = 6.0
HELD_S = 6.0  # what was begun too early is kept so long: it holds a place at the model


class Answer:
    """Begin with `start`; nothing is sent before `release`; `drop` at any time.

    `near` is called where its first clause is there before the turn is over: its sound comes sooner than an opening
    would end.
    `waits`: the turn's words are still to come, by `ask`; its opening does not wait for them.
    """

    def __init__(
        self,
        plan: Plan,
        tools: Tools,
        link: Link,
        done: Callable[[Answer], None],
        *,
        near: Callable[[], Awaitable[None]],
        speculative: bool = False,
        waits: bool = False,
    ) -> None:
        self.plan = plan
        self.speculative = speculative
        self.said: list[str] = []  # sentences that went out
        self._tools = tools
        self._sender = Sender(link, plan.turn)
        self._done = done
        self._on_near = near
        self._opened = ""  # the opening that the device has said itself
        self._used = Usage()
        self._asked = asyncio.Event()
        if not waits:
            self._asked.set()
        self._released = asyncio.Event()
        self._marks: dict[str, float] = {"begun": time.monotonic()}
        self._outcome = "cancelled"  # until it is over
        self._failure: str | None = None
        self._ready = False  # the first sound of the answer is there
        self._answered = False  # something of the model's went out
        self._expired = False
        self._thought: Thought | None = None
        self._task: asyncio.Task[None] | None = None

    # ------------------------------------------------------------ from outside

    def start(self) -> None:
        """Think, and make sound, at once."""
        self._task = asyncio.create_task(self._run(), name=f"answer to turn {self.plan.turn}")
        self._task.add_done_callback(lambda _: self._done(self))

    def release(self, opened: str = "") -> None:
        """The turn is over: send. `opened`: the opening that the device has said itself."""
        self._opened = opened
        self._mark("released")
        self._released.set()

    def ask(self, plan: Plan) -> None:
        """The turn's words have come: think about `plan`. What was said already stays said."""
        self._mark("words")
        self.plan = plan
        self._asked.set()

    @property
    def waits(self) -> bool:
        """Whether it still waits for the turn's words."""
        return not self._asked.is_set()

    @property
    def answered(self) -> bool:
        """Whether more than an opening went out."""
        return self._answered

    @property
    def released_for_s(self) -> float:
        """How long it has been sent; 0 before."""
        return time.monotonic() - self._marks["released"] if self.released else 0.0

    @property
    def released(self) -> bool:
        """Whether it is being sent."""
        return self._released.is_set()

    @property
    def held(self) -> bool:
        """Whether it was begun early, and is worth being released."""
        failed = self._thought is not None and self._thought.failed
        return not self.released and not self._expired and not failed

    @property
    def near(self) -> bool:
        """Whether its first clause is there, and needs no opening."""
        return "voice_asked" in self._marks

    @property
    def pieces(self) -> int:
        """How much of the model's text came."""
        return self._thought.pieces if self._thought is not None else 0

    async def drop(self) -> None:
        """Stop at once. Returns when nothing more is sent."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])

    def report(self) -> Report:
        """What happened, when it is over."""
        zero = self._marks.get("released", self._marks["begun"])
        ms = {name: round((at - zero) * 1000) for name, at in self._marks.items()}
        used = self._used
        tokens: dict[str, int] = {}
        if used.requests and not used.unknown:
            tokens = {name: count for name, count in asdict(used).items() if name.endswith("_tokens")}
        return Report(
            turn=self.plan.turn,
            outcome=self._outcome,
            tone=self.plan.tone.name,
            speculative=self.speculative,
            ms=ms,
            failure=self._failure,
            at_s=time.time() - (time.monotonic() - zero),
            model=self._tools.model.name if used.requests else "",
            tokens=tokens,
            pieces=self.pieces,
            cost=self._tools.price.of(tokens) if self._tools.price is not None else None,
        )

    # ------------------------------------------------------------ inside

    def _mark(self, name: str) -> None:
        _mark(self._marks, name)

    async def _run(self) -> None:
        sentences: asyncio.Queue[str | Exception | None] = asyncio.Queue(4)
        sounds: asyncio.Queue[str | Sound | Exception | None] = asyncio.Queue(64)
        workers = [
            asyncio.create_task(self._think(sentences), name="think"),
            asyncio.create_task(self._voice(sentences, sounds), name="voice"),
        ]
        try:
            if not await self._kept():
                return
            if self._opened:
                self.said.append(self._opened)
            elif not self._imminent:  # an answer that is there already needs no opening
                await self._open()
            await self._deliver(sounds)
            self._mark("done")
        except Exception as error:
            self._outcome, self._failure = "broken", type(error).__name__
            _log.error("the answer to turn %d broke: %s", self.plan.turn, without_content(error))
        finally:
            await end(workers)

    async def _kept(self) -> bool:
        """Wait for the turn's end; whether it came while this answer is worth keeping."""
        try:
            async with asyncio.timeout(HELD_S):
                await self._released.wait()
        except TimeoutError:
            self._expired = not self.released
        return self.released

    @property
    def _imminent(self) -> bool:
        """Whether the answer's own sound comes before an opening would be over."""
        return self._ready or (not self._tools.model.continues and "model_first" in self._marks)

    async def _think(self, out: asyncio.Queue[str | Exception | None]) -> None:
        """The model's text, cut into sentences."""
        if self.waits:
            with contextlib.suppress(TimeoutError):  # then it is answered without words
                async with asyncio.timeout(WORDS_S):
                    await self._asked.wait()
            self._asked.set()
        # Not a method of this answer: both would lie in memory, with what was said, until the collector comes by.
        self._thought = Thought(self.plan, self._tools, self._used, partial(_mark, self._marks))
        await self._thought.run(out)

    async def _voice(
        self, sentences: asyncio.Queue[str | Exception | None], out: asyncio.Queue[str | Sound | Exception | None]
    ) -> None:
        """Each sentence, then its sound."""
        while isinstance(sentence := await sentences.get(), str):
            await out.put(sentence)
            if "voice_asked" not in self._marks and not self.released:
                await self._on_near()
            self._mark("voice_asked")
            async for sound in self._spoken(sentence):
                self._mark("voice_first")
                await out.put(sound)
                self._ready = True
        await out.put(sentence)

    async def _spoken(self, sentence: str) -> AsyncGenerator[Sound, None]:
        """The sentence's sound; a voice that fails leaves the text, and is told at the end."""
        if self._tools.speech is None:
            return
        try:
            async with contextlib.aclosing(self._tools.speech.say(sentence, self.plan.tone.pace)) as sounds:
                async for sound in sounds:
                    yield sound
        except (ProviderError, ModelAbsent) as error:
            self._failure = str(error)
        except Exception as error:
            _log.error("the voice broke: %s", without_content(error))
            self._failure = f"the voice broke: {type(error).__name__}"

    async def _open(self) -> None:
        """The first words: nothing is waited for but their sound, which is prepared."""
        line = self.plan.opening
        if not line:
            return
        self.said.append(line)
        await self._sender.text(line, self.plan.tone.name, opening=True)
        async for sound in self._spoken(line):
            await self._sound(sound)

    async def _deliver(self, sounds: asyncio.Queue[str | Sound | Exception | None]) -> None:
        """Send what was thought, as it comes; say the tone's own sentence where nothing comes."""
        said_before = len(self.said)
        patience_s = self._tools.patience_s
        while True:
            try:
                async with asyncio.timeout(patience_s):  # `wait_for` may lose the cancellation of a barge-in
                    item = await sounds.get()
            except TimeoutError:
                item = ProviderError(f"{self._tools.model.name} was silent for {patience_s:.0f} s")
            patience_s = min(patience_s, NEXT_SENTENCE_S) if self._tools.hurried else patience_s
            if isinstance(item, Sound):
                await self._sound(item)
                self._mark("answer_audio")
            elif isinstance(item, str):
                self._mark("answer_text")
                await self._text(item)
            else:
                break
        self._outcome = "answered"
        if item is not None:
            self._failure = str(item)
            if len(self.said) == said_before:
                self._outcome = "fallback"
                await self._text(self.plan.tone.fallback)
                async for sound in self._spoken(self.plan.tone.fallback):
                    await self._sound(sound)
        await self._sender.end(self._failure)

    async def _text(self, text: str) -> None:
        self.said.append(text)
        self._answered = True
        await self._sender.text(text, self.plan.tone.name)

    async def _sound(self, sound: Sound) -> None:
        self._mark("first_audio")
        await self._sender.sound(sound)


def _mark(marks: dict[str, float], name: str) -> None:
    marks.setdefault(name, time.monotonic())
