"""What a round trip costs where nothing is done: the same hops, plain sockets, packets made beforehand.

On an idle machine a round trip consists of wake-ups: each process on the way sleeps until the one before it has
written. These floors, taken in the same run, tell that part from ours: `python -m benchmarks.link_floor PORT KIND` is
the other end.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator

from benchmarks.link_device import sample
from edge.wire import publications
from edge.wire.envelope import Sealer


@contextlib.contextmanager
def tcp() -> Iterator[Callable[[], None]]:
    """A function that makes one round trip of a typical envelope: one hop each way by TCP."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        other = _other(listening.getsockname()[1], "tcp")
        sock, _ = listening.accept()
    with _ended(other), sock:
        yield _round_trip(sock, sample(Sealer("bench")).SerializeToString())


@contextlib.contextmanager
def mqtt(port: int) -> Iterator[Callable[[], None]]:
    """A function that makes one round trip through the broker at `port`: the four hops of MQTT QoS 0."""
    other = _other(port, "mqtt")
    with _ended(other), _joined(port, b"p", b"dn") as sock:
        assert other.stdout is not None
        other.stdout.readline()
        yield _round_trip(sock, _publish("up", sample(Sealer("bench")).SerializeToString()))


def _round_trip(sock: socket.socket, packet: bytes) -> Callable[[], None]:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def once() -> None:
        sock.sendall(packet)
        if not sock.recv(65_536):
            raise RuntimeError("the other end of the floor hung up")

    return once


def _other(port: int, kind: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.link_floor", str(port), kind]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@contextlib.contextmanager
def _ended(other: subprocess.Popen[str]) -> Iterator[None]:
    try:
        yield
    finally:
        other.kill()
        other.communicate()


def _publish(topic: str, payload: bytes) -> bytes:
    return publications.pack(topic, payload, b"\0", qos=0, retain=False, mid=0)


def _joined(port: int, name: bytes, topic: bytes) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port))
    connect = bytes.fromhex("10 0e 00 04 4d 51 54 54 05 02 00 00 00 00 01") + name  # MQTT 5, a name of one letter
    subscribe = bytes.fromhex("82 08 00 01 00 00 02") + topic + b"\0"  # one topic of two letters, QoS 0
    for packet in (connect, subscribe):
        sock.sendall(packet)
        sock.recv(65_536)
    return sock


def _answer(port: int, kind: str) -> None:
    packet = sample(Sealer("bench")).SerializeToString()
    if kind == "mqtt":
        sock, packet = _joined(port, b"e", b"up"), _publish("dn", packet)
    else:
        sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    print("ready", flush=True)
    while sock.recv(65_536):
        sock.sendall(packet)


if __name__ == "__main__":
    _answer(int(sys.argv[1]), sys.argv[2])
