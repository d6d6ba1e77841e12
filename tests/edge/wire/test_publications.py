"""Publications as MQTT bytes, against paho's own encoder and decoder."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt import _packet
from paho.mqtt.client import MQTTv5, MQTTv311
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge.wire import publications

_TOPICS = st.text(st.characters(exclude_characters="+#\0", exclude_categories=["Cs"]), min_size=1, max_size=300)
_PLAIN = st.text("abc/", max_size=40)


@given(
    topic=_TOPICS,
    payload=st.binary(max_size=20_000),
    qos=st.sampled_from((0, 1, 2)),
    retain=st.booleans(),
    mid=st.integers(1, 65_535),
    response=_PLAIN,
    correlation=st.binary(max_size=40),
    expiry_s=st.none() | st.integers(1, 2**32 - 1),
    five=st.booleans(),
)
def test_paho_reads_what_is_packed(
    topic: str,
    payload: bytes,
    qos: int,
    retain: bool,
    mid: int,
    response: str,
    correlation: bytes,
    expiry_s: int | None,
    five: bool,
) -> None:
    """Both decoders find in a packet what was put into it."""
    told = publications.properties(response, correlation, expiry_s) if five else b""
    packet = publications.pack(topic, payload, told, qos=qos, retain=retain, mid=mid)
    ((first, body),), rest = publications.split(packet)
    assert rest == b""
    paho = _packet.decode_publish(first, body, MQTTv5 if five else MQTTv311)
    assert (paho.topic, bytes(paho.payload), paho.qos, bool(paho.retain)) == (topic.encode(), payload, qos, retain)
    if five:
        assert getattr(paho.properties, "ResponseTopic", "") == response
        assert getattr(paho.properties, "CorrelationData", b"") == correlation
        assert getattr(paho.properties, "MessageExpiryInterval", None) == expiry_s
    found, found_qos, found_mid = publications.unpack(first, body, five=five)
    assert (found.topic, found.payload, found.retained, found_qos) == (topic, payload, retain, qos)
    assert found_mid == (mid if qos else 0)
    assert (found.response, found.correlation) == ((response, correlation) if five else ("", b""))
    assert publications.Lone(five).read(packet) == (None if qos else found)
    for cut in (packet[:-1], packet + b"\0", packet + packet):
        assert publications.Lone(five).read(cut) is None


def test_properties_that_are_not_asked_for_are_passed_over() -> None:
    """A broker and integrators may add any property; the two that count are found among them."""
    told = Properties(PacketTypes.PUBLISH)
    told.PayloadFormatIndicator = 1
    told.MessageExpiryInterval = 9
    told.TopicAlias = 3
    told.ContentType = "text"
    told.SubscriptionIdentifier = 200_000
    told.UserProperty = [("a", "b"), ("c", "d")]
    told.ResponseTopic, told.CorrelationData = "to/me", b"7"
    packet = publications.pack("t", b"x", told.pack(), qos=0, retain=False, mid=0)
    ((first, body),), _ = publications.split(packet)
    message, _, _ = publications.unpack(first, body, five=True)
    assert message == publications.Message("t", b"x", "to/me", b"7", retained=False)


def test_pieces_are_put_together() -> None:
    """However TCP cuts it: a packet comes out once, when its last byte is there."""
    packets = [publications.pack("t", bytes(n), b"\0", qos=1, retain=False, mid=n + 1) for n in (0, 1, 127, 20_000)]
    found, rest = [], b""
    for byte in b"".join(packets):
        whole, rest = publications.split(rest + bytes((byte,)))
        found += whole
    assert not rest
    assert [publications.unpack(*packet, five=True)[2] for packet in found] == [1, 2, 128, 20_001]


@pytest.mark.parametrize(
    "packet",
    ["30 00", "30 03 00 05 61", "32 03 00 01 61", "30 04 00 01 61 05", "36 06 00 01 61 00 01 00", "30 ff ff ff ff 01"],
)
def test_what_is_no_publication_is_refused(packet: str) -> None:
    """Too short for its topic, number or properties; QoS 3; a length of five bytes: never taken for something else."""

    def read() -> None:
        for first, body in publications.split(bytes.fromhex(packet))[0]:
            publications.unpack(first, body, five=True)

    with pytest.raises(ValueError, match=r"publication|length"):
        read()


def test_what_is_not_whole_is_not_taken_for_one() -> None:
    """The beginning of a long packet, as long as one whose length were read from two of its three bytes."""
    packet = publications.pack("t", bytes(40_000), b"\0", qos=0, retain=False, mid=0)
    assert packet[1] >= 0x80
    assert packet[2] >= 0x80
    for end in range(1, len(packet)):
        assert publications.Lone(five=True).read(packet[:end]) is None


@pytest.mark.parametrize("five", [True, False])
def test_a_publication_without_anything_is_not_the_one_before_again(five: bool) -> None:
    """Two bytes that say that nothing follows: no topic, so nobody's."""
    reader = publications.Lone(five)
    assert reader.read(b"0\0") is None
    assert reader.read(publications.pack("t", b"x", b"\0" if five else b"", qos=0, retain=False, mid=0)) is not None
    assert reader.read(b"0\0") is None


@given(five=st.booleans(), data=st.data())
def test_what_was_read_before_is_not_taken_for_what_is_read_now(five: bool, data: st.DataObject) -> None:
    """A reader that has read others says of each piece what a fresh one says: of the same topic and properties, of
    nearly the same, of one that holds another's beginning in its payload, of what was cut or spoilt."""
    reader = publications.Lone(five)
    topics, payloads = st.sampled_from(("a", "b", "mien/v1/t/d/down")), st.binary(max_size=300)
    said: list[bytes] = [b""]
    for _ in range(8):
        told = publications.properties("", data.draw(st.sampled_from((b"", b"1", b"2", bytes(120))))) if five else b""
        payload = data.draw(payloads) + data.draw(st.sampled_from(said))
        retain = data.draw(st.booleans())
        qos = data.draw(st.sampled_from((0, 0, 0, 1)))
        piece = publications.pack(data.draw(topics), payload, told, qos=qos, retain=retain, mid=7)
        said.append(piece)
        spoilt = bytearray(piece)
        if data.draw(st.booleans()):
            spoilt[data.draw(st.integers(0, min(12, len(piece) - 1)))] ^= data.draw(st.sampled_from((1, 2, 0x80)))
        spoilt = spoilt[: data.draw(st.integers(0, len(piece)) | st.just(len(piece)))]
        for one in (bytes(spoilt), piece):
            assert alone(reader, one) == alone(publications.Lone(five), one)


def alone(reader: publications.Lone, data: bytes) -> publications.Message | str | None:
    try:
        return reader.read(data)
    except ValueError:
        return "refused"


def test_a_wildcard_is_no_topic_to_publish_on() -> None:
    """A broker hangs up on those; found here, with a reason."""
    with pytest.raises(ValueError, match="wildcard"):
        publications.pack("a/+", b"", b"", qos=0, retain=False, mid=0)
