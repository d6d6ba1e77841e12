"""An address that leaves this machine without TLS is known by its text."""

from __future__ import annotations

import pytest

from edge.wire.clear import in_clear


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("mqtt://broker.local", "mqtt://broker.local"),
        ("mqtt://user:secret@broker.local:1884/topic?token=x", "mqtt://broker.local:1884"),
        ("grpc://192.168.1.4:50051", "grpc://192.168.1.4:50051"),
        ("grpc://[fe80::1%eth0]:50051", "grpc://[fe80::1%eth0]:50051"),
        ("http://ollama:11434/v1", "http://ollama:11434"),
        ("redis://:secret@store/0", "redis://store"),
        ("grpc://localhost.evil.example:1", "grpc://localhost.evil.example:1"),
    ],
)
def test_another_machine_without_tls_is_told(address: str, shown: str) -> None:
    """What is told holds no password."""
    assert in_clear(address) == shown


@pytest.mark.parametrize(
    "address",
    [
        "mqtts://broker.local",
        "grpcs://192.168.1.4:50051",
        "https://api.example/v1",
        "rediss://store/0",
        "mqtt://localhost:1883",
        "mqtt://127.0.0.53",
        "grpc://[::1]:50051",
        "grpc://[::ffff:127.0.0.1]:50051",
        "stdout://",
        "exec:/usr/bin/tell",
        "grpc://host:99999",
        "",
    ],
)
def test_this_machine_and_tls_are_not(address: str) -> None:
    """Neither does a broken address raise here: who connects tells what is wrong with it."""
    assert in_clear(address) is None
