"""Size limits of an envelope, and how one that is too large is made to fit: the least telling part goes first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from google.protobuf.message import Message

from edge.errors import WireError
from edge.wire import mien_pb2

MAX_ENVELOPE = 1_024  # bytes, of any envelope
MAX_DESCRIBED = 600  # bytes, of a state with its description
MAX_STATE = 250  # bytes, of a state alone
MAX_UPLINK = 2_048  # bytes, of one packet towards the bridge that is no batch
MAX_BATCH = 65_536  # bytes, of a batch
MAX_DOWNLINK = 262_144  # bytes, of one packet towards the device: a reply chunk

_ELLIPSIS = "…"


def limit(envelope: mien_pb2.Envelope) -> int:
    """The size in bytes that this envelope may have, by what it carries."""
    if envelope.words or envelope.events or envelope.HasField("health"):
        return MAX_ENVELOPE
    return MAX_DESCRIBED if envelope.HasField("description") else MAX_STATE


def shorten(text: str, size: int) -> str:
    """`text` in at most `size` bytes of UTF-8: cut at a word where one ends in the last third, else at a character,
    and marked with `…`. Text that fits is returned as it is."""
    raw = text.encode("utf-8", "replace")
    if len(raw) <= size:
        return raw.decode()
    room = size - len(_ELLIPSIS.encode())
    if room <= 0:
        return ""
    cut = raw[:room].decode("utf-8", "ignore")
    space = cut.rfind(" ")
    if space * 3 >= len(cut) * 2:
        cut = cut[:space]
    return cut.rstrip(" ,;:-") + _ELLIPSIS


def fit(envelope: mien_pb2.Envelope) -> mien_pb2.Envelope:
    """Shrink `envelope` in place until it keeps its limit, and return it. Raises WireError where nothing more can go
    (only a device name or an event name of absurd length does that)."""
    allowed = limit(envelope)
    for shrink in _steps(envelope):
        over = envelope.ByteSize() - allowed
        if over <= 0:
            return envelope
        shrink(over)
    size = envelope.ByteSize()
    if size > allowed:
        raise WireError(f"an envelope of {size} bytes cannot be made to fit {allowed}: shorten device and event names")
    return envelope


def _steps(envelope: mien_pb2.Envelope) -> Iterator[Callable[[int], None]]:
    """What may go, the least telling first."""
    state, lines = envelope.state, ("visual", "audio", "joint")
    if envelope.HasField("state"):
        yield lambda over: _trim_texts(state.incongruence, "evidence", over, keep=24)
        yield lambda over: _drop_cues(state, over)
        yield lambda over: _trim(state, "trend", over, keep=32)
        yield lambda over: _trim_texts(state.incongruence, "evidence", over, keep=0)
    for event in envelope.events:
        yield partial(_drop_arguments, event)
    if envelope.HasField("health"):
        yield partial(_drop_health, envelope.health)
    if envelope.HasField("description"):
        yield from (partial(_trim, envelope.description, name, keep=96) for name in lines)
    yield partial(_trim, envelope, "words", keep=200)
    if envelope.HasField("state"):
        yield partial(_trim, state, "trend", keep=0)
    if envelope.HasField("description"):
        yield from (partial(_trim, envelope.description, name, keep=0) for name in lines)
    yield partial(_drop_events, envelope)
    yield partial(_trim, envelope, "words", keep=0)
    yield lambda over: envelope.ClearField("language")
    if envelope.HasField("state"):
        yield lambda over: state.ClearField("incongruence")


def _trim(message: Message, name: str, over: int, keep: int) -> None:
    """Shorten one text by `over` bytes, but leave `keep`; 0 may empty it."""
    text: str = getattr(message, name)
    if text:
        setattr(message, name, shorten(text, max(keep, len(text.encode()) - over)))


def _trim_texts(messages: Iterable[Message], name: str, over: int, keep: int) -> None:
    for message in messages:
        before = len(getattr(message, name).encode())
        _trim(message, name, over, keep)
        over -= before - len(getattr(message, name).encode())
        if over <= 0:
            return


def _drop_cues(state: mien_pb2.State, over: int) -> None:
    for name, _ in sorted(state.cues_pct.items(), key=lambda item: item[1]):
        if over <= 0:
            return
        over -= len(name.encode()) + 5
        del state.cues_pct[name]


def _drop_arguments(event: mien_pb2.Event, over: int) -> None:
    for name, value in sorted(event.arguments.items(), key=lambda item: -len(item[0]) - len(item[1])):
        if over <= 0:
            return
        over -= len(name.encode()) + len(value.encode())
        del event.arguments[name]


def _drop_health(health: mien_pb2.Health, over: int) -> None:
    for name, _ in sorted(health.dropped.items(), key=lambda item: item[1]):
        if over <= 0:
            return
        over -= len(name.encode()) + 5
        del health.dropped[name]
    while over > 0 and health.failing:
        over -= len(health.failing.pop().encode())


def _drop_events(envelope: mien_pb2.Envelope, over: int) -> None:
    """Oldest first; one stays, since it is what the envelope is for."""
    while over > 0 and len(envelope.events) > 1:
        over -= envelope.events[0].ByteSize()
        del envelope.events[0]
