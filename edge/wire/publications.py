"""Publications as the bytes of MQTT 5 and 3.1.1: PUBLISH and its four answers.

These are all that travels once a connection stands. paho makes two dozen objects for each, which took two thirds of a
round trip's time on loopback; here it is one pass over the bytes. Source: OASIS MQTT 5.0, §2–3; 3.1.1, §2–3.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import NamedTuple

from edge.wire.limits import MAX_DOWNLINK

PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = 0x30, 0x40, 0x50, 0x60, 0x70  # the upper half of a packet's first byte

MOST = MAX_DOWNLINK + (1 << 14)  # bytes of a packet: topic and properties beside the payload

_EXPIRY, _RESPONSE, _CORRELATION, _ALIAS = 0x02, 0x08, 0x09, 0x23
_FIXED = {0x01: 1, _EXPIRY: 4, _ALIAS: 2}  # property of a PUBLISH → its length; the others carry theirs
_PAIR, _SUBSCRIPTION = 0x26, 0x0B  # two strings; a number of variable length
_KEPT = 1_024  # bytes before a payload that are kept in mind, at most


class Message(NamedTuple):
    """A received publication. `correlation` and `response` are empty where it has none."""

    topic: str
    payload: bytes
    response: str
    correlation: bytes
    retained: bool


_message = tuple.__new__  # `Message(…)` itself takes thrice as long


@lru_cache(256)
def properties(response: str = "", correlation: bytes = b"", expiry_s: int | None = None, alias: int = 0) -> bytes:
    """What MQTT 5 tells beside a publication, its length in front; absent ones are left out."""
    found = b""
    if expiry_s:
        found = struct.pack(">BI", _EXPIRY, expiry_s)
    if response:
        name = response.encode()
        found += struct.pack(">BH", _RESPONSE, len(name)) + name
    if correlation:
        found += b"%c%c%c%b" % (_CORRELATION, len(correlation) >> 8, len(correlation) & 0xFF, correlation)
    if alias:
        found += struct.pack(">BH", _ALIAS, alias)
    return b"%b%b" % (_length(len(found)), found)


def pack(topic: str, payload: bytes, told: bytes, *, qos: int, retain: bool, mid: int) -> bytes:
    """A PUBLISH. `told`: its `properties`, nothing at all for 3.1.1. `mid` is for QoS 1 and 2. Raises ValueError."""
    if not qos:
        return front(topic, told, len(payload), retain) + payload
    name = _named(topic)
    size = len(name) + 2 + len(told) + len(payload)
    head = PUBLISH | qos << 1 | retain
    return b"%c%b%b%c%c%b%b" % (head, _length(size), name, mid >> 8, mid & 0xFF, told, payload)


@lru_cache(256)
def front(topic: str, told: bytes, size: int, retain: bool) -> bytes:
    """What stands before `size` bytes of payload in a PUBLISH of QoS 0: who talks says the same again and again."""
    name = _named(topic)
    return b"%c%b%b%b" % (PUBLISH | retain, _length(len(name) + len(told) + size), name, told)


def answer(kind: int, mid: int) -> bytes:
    """PUBACK, PUBREC, PUBREL or PUBCOMP for the publication `mid`, saying that all is well."""
    return struct.pack(">BBH", kind | 2 if kind == PUBREL else kind, 2, mid)


class Lone:
    """Reads what is one publication of QoS 0 and nothing else, as on a link that is not busy. Topic and properties are
    mostly those of the publication before, and are not read again then."""

    def __init__(self, five: bool) -> None:
        self._five = five
        self._before = b"\0\1a\0" if five else b"\0\1a"  # topic and properties as bytes, which say:
        self._topic, self._response, self._correlation = "a", "", b""

    def read(self, data: bytes) -> Message | None:
        """What `data` says; None where it is something else, and `split` tells. Raises ValueError as `unpack` does."""
        start, known, payload = data.partition(self._before)
        if known and start == _begun(len(data) - len(start)):
            return _message(Message, (self._topic, payload, self._response, self._correlation, False))
        if len(data) < 4 or data[0] & 0xFE != PUBLISH:
            return None
        size, at = data[1], 2
        if size > 0x7F:
            if data[2] > 0x7F:
                return None
            size, at = size & 0x7F | data[2] << 7, 3
        if at + size != len(data):
            return None
        message = unpack(data[0], data[at:], five=self._five)[0]
        before = data[at : len(data) - len(message.payload)]
        if len(before) <= _KEPT:
            self._before = before
            self._topic, _, self._response, self._correlation, _ = message
        return message


@lru_cache(256)
def _begun(size: int) -> bytes:
    """How a publication of QoS 0 begins after whose length `size` bytes come."""
    return b"%c%b" % (PUBLISH, _length(size))


def unpack(first: int, body: bytes, *, five: bool) -> tuple[Message, int, int]:
    """(message, QoS, mid) of a PUBLISH with this first byte; mid 0 for QoS 0. Raises ValueError."""
    try:
        at = 2 + (body[0] << 8 | body[1])
        topic, qos, mid = body[2:at].decode(), first >> 1 & 3, 0
        if qos:
            mid = body[at] << 8 | body[at + 1]
            at += 2
        response, correlation = "", b""
        if five:
            size = body[at]
            at += 1
            if size > 0x7F:
                size, at = _number(body, at - 1)
            end = at + size
            if size > 3 and body[at] == _CORRELATION and size == 3 + (body[at + 1] << 8 | body[at + 2]):
                correlation = body[at + 3 : end]  # nothing else is told, as with nearly every publication
            elif size:
                response, correlation = _told(body[:end], at)
            at = end
        if qos == 3 or at > len(body):
            raise ValueError("a publication that MQTT does not know")
        return _message(Message, (topic, body[at:], response, correlation, first & 1 == 1)), qos, mid
    except (struct.error, IndexError) as error:
        raise ValueError("a publication that ends too early") from error


def answered(body: bytes) -> tuple[int, int]:
    """(mid, reason code) of an answer. Raises ValueError."""
    if len(body) < 2:
        raise ValueError("an answer that ends too early")
    return body[0] << 8 | body[1], body[2] if len(body) > 2 else 0


def split(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """The whole packets in `data` as (first byte, body), and the rest. Raises ValueError, also for a packet that is to
    be longer than `MOST`."""
    found: list[tuple[int, bytes]] = []
    at, length = 0, len(data)
    while length - at >= 2:
        try:
            size, start = _number(data, at + 1)
        except IndexError:
            break
        if size > MOST:
            raise ValueError("a packet larger than the link uses")
        end = start + size
        if end > length:
            break
        found.append((data[at], data[start:end]))
        at = end
    return found, data[at:]


def _told(body: bytes, at: int) -> tuple[str, bytes]:
    """(response, correlation) of the properties from `at` to the end of `body`."""
    found = {_RESPONSE: b"", _CORRELATION: b""}
    while at < len(body):
        kind = body[at]
        at += 1
        if kind == _SUBSCRIPTION:
            _, at = _number(body, at)
            continue
        for _ in range(2 if kind == _PAIR else 1):
            size = _FIXED.get(kind)
            if size is None:
                (size,) = struct.unpack_from(">H", body, at)
                at += 2
            found[kind] = body[at : at + size]
            at += size
    if at > len(body):
        raise ValueError("a property that ends too late")
    return found[_RESPONSE].decode(), found[_CORRELATION]


@lru_cache(4_096)
def _named(topic: str) -> bytes:
    """The topic as a PUBLISH has it. Raises ValueError."""
    name = topic.encode()
    if len(name) > 0xFFFF or b"+" in name or b"#" in name:
        raise ValueError("no topic to publish on: too long, or a wildcard in it")
    return struct.pack(">H", len(name)) + name


def _length(number: int) -> bytes:
    """`number` in one to four bytes of seven bits, the lowest first."""
    if number <= 0x7F:
        return b"%c" % number
    if number <= 0x3FFF:
        return b"%c%c" % (number & 0x7F | 0x80, number >> 7)
    return b"%c%b" % (number & 0x7F | 0x80, _length(number >> 7))


def _number(data: bytes, at: int) -> tuple[int, int]:
    """The number that `_length` wrote at `at`, and where it ends. Raises IndexError where it does not."""
    number = 0
    for shift in (0, 7, 14, 21):
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
    raise ValueError("a length of more than four bytes")
