"""The event socket: any program of this user reads lines; a slow one loses its own lines only."""

from __future__ import annotations

import os
import resource
import socket
import stat
import threading
from pathlib import Path

import pytest

from edge.errors import OutputError
from edge.event_socket import EventSocket
from tests.sim.wait import until


def connect(path: Path) -> socket.socket:
    reader = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    reader.connect(str(path))
    reader.settimeout(5)
    return reader


def test_every_reader_gets_every_line(tmp_path: Path) -> None:
    """Two readers, same lines, in order."""
    server = EventSocket(tmp_path / "events.sock")
    server.open()
    with connect(server.path) as one, connect(server.path) as two:
        until(lambda: len(server._readers) == 2)
        server.publish('{"type":"event","name":"a"}')
        server.publish('{"type":"event","name":"b"}')
        for reader in (one, two):
            lines = _two_lines(reader)
            assert lines == '{"type":"event","name":"a"}\n{"type":"event","name":"b"}\n'
    server.close()
    assert not server.path.exists()


def test_who_is_let_in_as_it_closes_is_let_go(tmp_path: Path) -> None:
    """Else that reader waits for ever on a stream that nobody writes any more."""
    server = EventSocket(tmp_path / "events.sock")
    server.open()
    server.close()
    reader, theirs = socket.socketpair()
    with reader:
        reader.settimeout(20)
        serving = threading.Thread(target=server._serve, args=(theirs,), daemon=True)
        serving.start()
        assert reader.recv(10) == b""
        serving.join(20)
    assert not server._readers


def test_where_no_descriptor_is_left_readers_come_later(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A moment without free descriptors must not end the stream for all who come after it."""
    server = EventSocket(tmp_path / "events.sock")
    server.open()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as reader:
        reader.settimeout(20)
        free = os.dup(reader.fileno())
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
        try:
            reader.connect(str(server.path))
            until(lambda: "could not be let in" in caplog.text)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        until(lambda: len(server._readers) == 1)
        server.publish("1\n2")
        assert _two_lines(reader) == "1\n2\n"
    server.close()


def _two_lines(reader: socket.socket) -> str:
    got = b""
    while got.count(b"\n") < 2:
        got += reader.recv(4096)
    return got.decode()


def test_only_this_user_may_read(tmp_path: Path) -> None:
    """What a person feels is not for every user of the board."""
    server = EventSocket(tmp_path / "events.sock")
    server.open()
    assert stat.S_IMODE(server.path.stat().st_mode) == 0o600
    server.close()


def test_a_slow_reader_never_holds_the_loop_up(tmp_path: Path) -> None:
    """`publish` returns at once; what the reader lost is counted."""
    server = EventSocket(tmp_path / "events.sock")
    server.open()
    with connect(server.path):
        until(lambda: len(server._readers) == 1)
        for _ in range(20_000):
            server.publish("x" * 200)
        assert server.dropped > 0
    server.close()


def test_a_socket_left_by_a_killed_process_is_taken_over_but_not_a_living_one(tmp_path: Path) -> None:
    """Stale files do not block a restart; two servers do not steal from each other."""
    path = tmp_path / "events.sock"
    stale = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stale.bind(str(path))
    stale.close()
    first = EventSocket(path)
    first.open()
    with pytest.raises(OutputError, match="another process"):
        EventSocket(path).open()
    first.close()
