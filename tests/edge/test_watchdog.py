"""The service manager hears that the device began, that its main path lives, and that it ends; none is needed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge import watchdog


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        yield listening


def told(manager: socket.socket) -> list[str]:
    """All that was told so far."""
    manager.setblocking(False)
    found = []
    try:
        while True:
            found.append(manager.recv(200).decode())
    except BlockingIOError:
        return found


def test_it_is_told_as_it_was_said(manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """One datagram for each message."""
    monkeypatch.setenv("NOTIFY_SOCKET", manager.getsockname())
    assert watchdog.notify("READY=1")
    assert watchdog.notify("STATUS=well")
    assert told(manager) == ["READY=1", "STATUS=well"]


def test_an_abstract_address_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    """systemd may write it with an @ for the zero byte."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0mien-test-{os.getpid()}")
        monkeypatch.setenv("NOTIFY_SOCKET", f"@mien-test-{os.getpid()}")
        assert watchdog.notify("WATCHDOG=1")
        assert told(listening) == ["WATCHDOG=1"]


@pytest.mark.parametrize("address", [None, "", "/nowhere/notify"])
def test_without_a_manager_nothing_happens(monkeypatch: pytest.MonkeyPatch, address: str | None) -> None:
    """A device that is started by hand, or whose manager is gone, runs on."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if address is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
    assert not watchdog.notify("READY=1")


def test_a_device_tells_its_life(manager: socket.socket, tmp_path: Path) -> None:
    """Ready once it perceives, a sign of life with each report, and the end before it closes."""
    sound = tmp_path / "silence.wav"
    soundfile.write(sound, np.zeros(16_000 * 3, np.float32), 16_000)
    done = subprocess.run(
        [sys.executable, "-m", "edge.cli", "replay", str(sound), "--no-words", "--json"],
        env={**os.environ, "NOTIFY_SOCKET": manager.getsockname(), "MIEN_STATE": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, *between, last = told(manager)
    assert (first, last) == ("READY=1", "STOPPING=1")
    assert between
    assert between == ["WATCHDOG=1"] * done.stdout.count('"type":"health"')
