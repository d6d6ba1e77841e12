"""Where devices enroll and renew: one line of JSON over TLS, one line back.

{"ask": "ca"}                                   → {"ca": PEM}: to be compared with the claim's fingerprint
{"ask": "enroll", "claim": SECRET, "csr": PEM}  → {"certificate": PEM, "ca": PEM, "device": …, "tenant": …}
{"ask": "renew", "csr": PEM}                    → the same; over TLS with the certificate that is to be renewed
Anything else, and whatever is refused          → {"error": why}
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import ssl
from collections import Counter
from collections.abc import Sequence
from typing import Any

from cloud_bridge.authority.authority import Authority, folder
from cloud_bridge.authority.certificates import BadRequest
from cloud_bridge.errors import BridgeError, ListenError

log = logging.getLogger(__name__)

DEFAULT_PORT = 50_052
_LINE = 16_384  # bytes
_PATIENCE_S = 10.0
_AT_ONCE = 32  # devices that are answered
_SOCKETS = 256  # connections, of which nobody knows yet who it is; one more is closed unheard


def open_authority() -> Authority:
    """This bridge's authority; begun where there is none. Raises SettingError."""
    return Authority(folder(), create=True)


class Desk:
    """A listening desk; `port` is the one it got. `counts`: enrolled, renewed, refused, malformed, busy, failed."""

    def __init__(self, authority: Authority) -> None:
        self.counts: Counter[str] = Counter()
        self.port = 0
        self._authority = authority
        self._open = 0
        self._server: asyncio.Server | None = None
        self._context: ssl.SSLContext | None = None

    async def start(self, address: str, hosts: Sequence[str]) -> None:
        """Listen on `host:port` (0: any) with a certificate for `hosts`. Raises ListenError."""
        certificate, key = self._authority.server(hosts)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(certificate, key)
        context.load_verify_locations(self._authority.ca)
        context.verify_mode = ssl.CERT_OPTIONAL  # who enrolls has none yet; who renews must show its own
        self._context = context
        host, _, port = address.rpartition(":")
        try:
            # TLS begins only once a connection is counted: unfinished handshakes are what a flood is made of.
            self._server = await asyncio.start_server(self._serve, host.strip("[]"), int(port), limit=_LINE)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ListenError(f"cannot enroll devices on {address}: {reason}") from error
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._open >= _SOCKETS:
            self.counts["busy"] += 1
            writer.transport.abort()
            return
        self._open += 1
        try:
            async with asyncio.timeout(_PATIENCE_S):
                assert self._context is not None
                await writer.start_tls(self._context, ssl_handshake_timeout=_PATIENCE_S)
                if self._open > _AT_ONCE:
                    self.counts["busy"] += 1
                    answer = {"error": "too many devices enroll at once: try again"}
                else:
                    try:
                        line = await reader.readline()
                    except ValueError:  # it is too long
                        line = b""
                    shown = writer.get_extra_info("ssl_object").getpeercert(True)
                    answer = await asyncio.to_thread(self.answer, line, shown)
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        except (OSError, TimeoutError):
            self.counts["malformed"] += 1
        finally:
            self._open -= 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def answer(self, line: bytes, shown: bytes | None) -> dict[str, Any]:
        """The answer to one line; `shown`: the checked certificate of who asks, as DER."""
        try:
            asked = json.loads(line)
            ask, csr = asked["ask"], str(asked.get("csr", "")).encode()
            secret = str(asked.get("claim", "")).encode().decode()  # half a character is no text
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            self.counts["malformed"] += 1
            return {"error": "say one line of JSON: ask is ca, enroll or renew"}
        try:
            if ask == "ca":
                return {"ca": self._authority.ca.read_text()}
            if ask == "enroll":
                granted = self._authority.enroll(secret, csr)
            elif ask == "renew" and shown is not None:
                granted = self._authority.renew(shown, csr)
            elif ask == "renew":
                raise BadRequest("show the certificate that is to be renewed")
            else:
                raise BadRequest("ask is ca, enroll or renew")
        except BadRequest as error:
            self.counts["refused"] += 1
            return {"error": str(error)}
        except BridgeError as error:
            self.counts["failed"] += 1
            log.error("a device could not be enrolled: %s", error)
            return {"error": "the bridge cannot write it down now: try again"}
        self.counts[f"{ask}ed"] += 1
        log.info("certificate granted: %s/%s (%s)", granted.tenant, granted.device, ask)
        return {
            "certificate": granted.certificate,
            "ca": granted.ca,
            "device": granted.device,
            "tenant": granted.tenant,
        }
