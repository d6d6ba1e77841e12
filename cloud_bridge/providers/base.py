"""What every provider offers: a language model streams text, a voice streams sound."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat."""

    role: Literal["system", "user", "assistant"]
    text: str


@dataclass(slots=True)
class Usage:
    """Tokens used since start, as the provider counts them; `unknown` answers came without a count."""

    requests: int = 0
    failures: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0  # part of input_tokens that was not computed again
    output_tokens: int = 0
    unknown: int = 0

    def add(self, other: Usage) -> None:
        """Count what `other` counted."""
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))


class LanguageModel(Protocol):
    """Streams an answer. One instance serves all sessions."""

    name: str  # shown to people: provider and model
    small: bool  # a model of a few billion parameters or fewer: gets the tone note but not the raw description
    continues: bool  # finishes an assistant's message that it is given as its own beginning
    usage: Usage

    async def start(self) -> None:
        """Make ready (load, connect). Raises ModelAbsent or ProviderError."""

    async def prime(self, messages: Sequence[Message], *, lasting: bool = False) -> None:
        """Compute a prompt ahead that answers will begin with; `lasting`: it is the same at every start. Does nothing
        where that would be billed. Raises ProviderError."""

    def stream(
        self, messages: Sequence[Message], max_tokens: int, used: Usage | None = None
    ) -> AsyncGenerator[str, None]:
        """Pieces of the answer as they come; what it took is counted in `usage`, and in `used`. Closing the iterator
        stops the model. Raises ProviderError."""

    async def forget(self) -> None:
        """Erase the prompts that it keeps computed on this machine, whoever's they are."""

    async def close(self) -> None:
        """Let go of everything. Idempotent."""


@dataclass(frozen=True, slots=True)
class Offered:
    """A tool that a model may call. `parameters`: JSON Schema of its arguments."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """A tool that a model wants to be called. `arguments`: JSON, as the model wrote it."""

    id: str
    name: str
    arguments: str


Round = Sequence[tuple[Call, str]]
"""What a model called at once, each with its result."""


class ToolUser(LanguageModel, Protocol):
    """A language model that can call tools."""

    async def prime(
        self, messages: Sequence[Message], *, lasting: bool = False, offered: Sequence[Offered] = ()
    ) -> None:
        """See `LanguageModel`; the tools stand in the prompt, too."""

    def consult(
        self,
        messages: Sequence[Message],
        offered: Sequence[Offered],
        rounds: Sequence[Round],
        max_tokens: int,
        used: Usage | None = None,
        *,
        may_call: bool = True,
    ) -> AsyncGenerator[str | Call, None]:
        """Like `stream`, with tools: pieces of the answer as they come, and each call once it is whole. `rounds`: what
        was called for this answer before. `may_call` False: it has to answer now."""


@dataclass(frozen=True, slots=True)
class Viseme:
    """One mouth shape. Times in samples, from the start of the part that carries it."""

    at: int
    length: int
    shape: str  # one of `cloud_bridge.visemes.SHAPES`


@dataclass(frozen=True, slots=True)
class Sound:
    """A piece of speech. `pcm`: 16-bit signed little-endian mono."""

    pcm: bytes
    sample_rate: int
    visemes: tuple[Viseme, ...] = ()

    @property
    def samples(self) -> int:
        """Length in samples."""
        return len(self.pcm) // 2


class Voice(Protocol):
    """Speaks one sentence at a time. One instance serves all sessions."""

    name: str
    identity: str  # changes when the sound of the same text would: part of a cache's key

    async def start(self) -> None:
        """Make ready. Raises ModelAbsent or ProviderError."""

    def speak(self, text: str, pace: float = 1.0) -> AsyncGenerator[Sound, None]:
        """The sentence as sound, in pieces as they come. `pace` > 1 is slower. Raises ProviderError."""

    async def close(self) -> None:
        """Let go of everything. Idempotent."""
