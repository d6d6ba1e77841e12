"""Does something answer at the bridge's address?"""

from __future__ import annotations

import importlib
import socket

from edge import plugin
from edge.config import Config
from edge.doctor.base import Finding, of_error
from edge.errors import MienError
from edge.identity import Identity
from edge.transports.base import TlsFiles
from edge.wire.clear import in_clear, loopback

_WAIT_S = 4.0


def check(config: Config) -> list[Finding]:
    """One finding for each bridge of the settings. No device says hello: a running one is not disturbed."""
    if not config.link.bridges:
        return [Finding("link", "ok", "no bridge is set: the device works alone")]
    identity = Identity.of(config)
    tls = identity.tls if identity else TlsFiles(config.link.ca, config.link.cert, config.link.key)
    found = [_reach(text, tls) for text in config.link.bridges]
    if any(one.state != "fail" for one in found):  # the first that answers is taken
        return [Finding(one.name, "warn" if one.state == "fail" else one.state, one.what, one.mend) for one in found]
    return found


def _reach(text: str, tls: TlsFiles) -> Finding:
    try:
        uri = plugin.Uri.parse(text)
        transport = plugin.load("edge.transports", uri.scheme)
    except MienError as error:
        return of_error("link", error)
    if not uri.host:
        return Finding("link", "ok", f"{uri.shown} needs no network")
    port = uri.port or getattr(transport, "DEFAULT_PORT", None)
    if port is None:
        return Finding("link", "fail", f"{uri.shown} names no port", f"write {uri.scheme}://{uri.host}:PORT")
    try:
        with socket.create_connection((uri.host, port), timeout=_WAIT_S) as reached:
            far = not loopback(reached.getpeername()[0])
    except socket.gaierror:
        return Finding("link", "fail", f"no machine is called '{uri.host}'", "check the name, and the network's DNS")
    except ConnectionRefusedError:
        return Finding("link", "fail", f"nothing listens at {uri.shown}", "start the bridge there: `mien bridge`")
    except TimeoutError:
        return Finding(
            "link", "fail", f"{uri.shown} does not answer", "check the address, and the firewalls in between"
        )
    except OSError as error:
        return Finding(
            "link", "fail", f"{uri.shown} cannot be reached: {error.strerror}", "check the network (`ip route`)"
        )
    if uri.scheme in {"grpc", "grpcs"}:
        if (found := _grpc(uri, port, tls)).state != "ok":
            return found
    else:
        found = Finding("link", "ok", f"{uri.shown} answers")
    if far and in_clear(text):
        what = f"{found.what}, but without TLS: whoever is on the way reads how people are, and what they say"
        return Finding("link", "warn", what, f"use {uri.scheme}s:// (docs/link.md), or a network that is yours alone")
    return found


def _grpc(uri: plugin.Uri, port: int, tls: TlsFiles) -> Finding:
    """Whether what listens there speaks HTTP/2, and TLS where it should."""
    grpc = importlib.import_module("grpc")
    address = f"{uri.host}:{port}" if ":" not in uri.host else f"[{uri.host}]:{port}"
    try:
        if uri.scheme == "grpcs":
            options = [("grpc.ssl_target_name_override", uri.query["name"])] if "name" in uri.query else []
            credentials = grpc.ssl_channel_credentials(tls.read("ca"), tls.read("key"), tls.read("certificate"))
            channel = grpc.secure_channel(address, credentials, options=options)
        else:
            channel = grpc.insecure_channel(address)
    except MienError as error:
        return of_error("link", error)
    with channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=_WAIT_S)
        except grpc.FutureTimeoutError:
            secure = uri.scheme == "grpcs"
            what = f"{uri.shown} takes the connection, but {'TLS fails' if secure else 'does not speak gRPC'}"
            mend = (
                "check ca, cert and key in [link], and the clock" if secure else "is it grpcs://, or another program?"
            )
            return Finding("link", "fail", what, mend)
    return Finding("link", "ok", f"{uri.shown} answers and speaks gRPC{' over TLS' if uri.scheme == 'grpcs' else ''}")
