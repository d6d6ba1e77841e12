"""Paho as the link uses it: without threads, and for all packets but publications.

It says hello, subscribes, keeps alive and hangs up. Publications go past it (`edge.wire.publications`): it makes two
dozen objects for each. This leans on paho's own names (`_packet_queue`, `_packet_handle`, `_mid_generate`, `_in_packet`
and its two clocks); the tests over a real broker tell when a release changes them.
"""

from __future__ import annotations

import socket
import ssl
import time
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker says of us, retained, `delay_s` after we went without a word."""

    topic: str
    payload: bytes
    delay_s: int


class Engine(paho.Client):  # type: ignore[misc]  # paho has no types
    """Paho, which neither reads nor writes: what is to be written it puts on `out`."""

    def __init__(
        self,
        client_id: str,
        version: int,
        out: list[bytes],
        *,
        account: tuple[str, str],
        tls: ssl.SSLContext | None,
        will: Will | None,
        clean: bool,
    ) -> None:
        five = version == paho.MQTTv5
        super().__init__(CallbackAPIVersion.VERSION2, client_id, None if five else clean, protocol=version)
        self._to_write = out
        self._looked_s = time.monotonic()
        username, password = account
        if username:
            self.username_pw_set(username, password or None)
        if tls is not None:
            self.tls_set_context(tls)
        if will is not None:
            properties = None
            if five:
                properties = Properties(PacketTypes.WILLMESSAGE)
                properties.WillDelayInterval = will.delay_s
            self.will_set(will.topic, will.payload, qos=1, retain=True, properties=properties)
        self.on_socket_open = _send_at_once

    def take(self, first: int, body: bytes) -> bool:
        """Handle a packet that is not a publication's; whether it is one of MQTT's."""
        packet = {"command": first, "packet": bytearray(body), "remaining_length": len(body), "pos": len(body)}
        self._in_packet = packet
        return bool(self._packet_handle() == MQTTErrorCode.MQTT_ERR_SUCCESS)

    def look(self, *, heard: bool, spoke: bool) -> bool:
        """Say hello to a broker that was silent for long; whether it is still there. `heard`, `spoke`: whether it said
        something since the last look, and we."""
        last_s, self._looked_s = self._looked_s, time.monotonic()
        if heard:
            self._last_bytes_received = last_s  # or later: rather too early a question than too late
        if spoke:
            self._last_msg_out = last_s
        return bool(self.loop_misc() == MQTTErrorCode.MQTT_ERR_SUCCESS)

    def number(self) -> int:
        """A fresh packet number; subscriptions draw from the same."""
        return int(self._mid_generate())

    def _packet_queue(self, command: int, packet: bytes, mid: int, qos: int, info: Any = None) -> MQTTErrorCode:
        self._to_write.append(bytes(packet))
        return MQTTErrorCode.MQTT_ERR_SUCCESS


def _send_at_once(client: Any, userdata: Any, sock: socket.socket) -> None:
    """No waiting for more to send: without this a QoS 1 answer takes 90 ms on loopback (Nagle's algorithm against
    delayed acknowledgements)."""
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
