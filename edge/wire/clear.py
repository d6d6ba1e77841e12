"""Which addresses are this machine's, and whether what is sent to one can be read by whoever is on the way."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

_PLAIN = frozenset({"grpc", "http", "mqtt", "redis"})  # with an s, each has TLS


def loopback(host: str) -> bool:
    """Whether `host`, a name or an address of either kind, is this machine alone."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback


def in_clear(address: str) -> str | None:
    """`address` as scheme, host and port, where it is another machine's and has no TLS; None where all is well.

    The address is judged as it is written: no name is looked up, and what it holds of a password is left out.
    """
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None  # whoever uses it will say so
    if parts.scheme not in _PLAIN or not host or loopback(host) or host.endswith(".localhost"):
        return None
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + (f":{port}" if port else "")
