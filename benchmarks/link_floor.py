"""What a round trip costs where nothing is done: the same hops, plain sockets, packets made beforehand.

On an idle machine a round trip consists of wake-ups: each process on the way sleeps until the one before it has
written. These floors, taken in the same run, tell that part from ours: `python -m benchmarks.link_floor PORT KIND` is
the other end.
"""

from __future__ import annotations

import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.link_device import sample
from benchmarks.link_faults import Mosquitto, free_port, open_config
from edge.wire import publications
from edge.wire.envelope import Sealer


def floors(folder: Path, rounds: int) -> dict[str, float]:
    """p50 in ms: one hop each way by TCP, and the four hops of MQTT QoS 0 through a Mosquitto. Raises ToolAbsent."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        other = _other(listening.getsockname()[1], "tcp")
        plain, _ = listening.accept()
    payload = sample(Sealer("bench")).SerializeToString()
    found = {"tcp_floor_p50_ms": _p50_ms(plain, payload, rounds)}
    other.wait()
    port = free_port()
    broker = Mosquitto(folder / "floor", open_config(port), port=port)
    try:
        other = _other(port, "mqtt")
        assert other.stdout is not None
        other.stdout.readline()
        found["mqtt_qos0_floor_p50_ms"] = _p50_ms(_joined(port, b"p", b"dn"), _publish("up", payload), rounds)
        other.kill()
        other.communicate()
    finally:
        broker.close()
    return found


def _p50_ms(sock: socket.socket, packet: bytes, rounds: int) -> float:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    waits = []
    with sock:
        for _ in range(rounds):
            began = time.perf_counter()
            sock.sendall(packet)
            sock.recv(65_536)
            waits.append(time.perf_counter() - began)
    return statistics.median(waits) * 1e3


def _other(port: int, kind: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.link_floor", str(port), kind]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


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
