"""Who may speak: a token per device, or a client certificate whose common name is DEVICE or TENANT/DEVICE."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from typing import Protocol

from edge.wire import WireError, mien_pb2
from edge.wire.check import VERSION, check_device


class Guard(Protocol):
    """Who was revoked; `cloud_bridge.authority` implements it. Quick: asked at each hello and every few seconds."""

    def who(self, pem: bytes) -> tuple[str, int]:
        """(tenant, serial) of a certificate that TLS has checked; the tenant is empty where it names none."""

    def refuses(self, serial: int) -> str | None:
        """Why the holder of this certificate may not speak, or None."""

    def refuses_device(self, tenant: str, device: str) -> str | None:
        """The same by name, where the broker checked the certificate."""


class Rejected(Exception):  # noqa: N818
    """This device may not speak. The message may be shown to it."""


def admit(
    hello: mien_pb2.Hello, certificate_names: Sequence[str], tokens: Mapping[str, str] | None, tenant: str
) -> None:
    """Raise Rejected unless `hello` may speak.

    With `tokens` (device → token; the key `*` stands for every device) its token must match. With a client
    certificate, one of its names must be the device's id, alone or with the `tenant` that it is to belong to.
    """
    if hello.v != VERSION:
        raise Rejected(f"contract version {hello.v} is not spoken here: use {VERSION}")
    try:
        check_device(hello.device)
    except WireError as error:
        raise Rejected(str(error)) from error
    if not hello.boot:
        raise Rejected("the hello lacks a boot number: draw a random one per start")
    if certificate_names and not {hello.device, f"{tenant}/{hello.device}"}.intersection(certificate_names):
        raise Rejected("the device's name is not the name in its certificate")
    if tokens is not None:
        expected = tokens.get(hello.device, tokens.get("*", ""))
        if not expected or not hmac.compare_digest(expected.encode(), hello.token.encode()):
            raise Rejected("the token is wrong or missing: set the device's token, or enrol the device")
