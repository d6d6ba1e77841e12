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
import socket
import ssl
from collections import Counter
from collections.abc import Sequence
from typing import Any

from cloud_bridge.authority.authority import Authority, folder
from cloud_bridge.authority.certificates import BadRequest
from cloud_bridge.ending import end
from cloud_bridge.errors import BridgeError, ListenError
from edge.wire.check import nests

log = logging.getLogger(__name__)

DEFAULT_PORT = 50_052
_LINE = 16_384  # bytes
_PATIENCE_S = 10.0
_AGAIN_S = 0.1
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
        self._answering = 0
        self._serving: set[asyncio.Task[None]] = set()
        self._listening: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None

    async def start(self, address: str, hosts: Sequence[str]) -> None:
        """Listen on `host:port` (0: any) with a certificate for `hosts`. Raises ListenError."""
        certificate, key = self._authority.server(hosts)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(certificate, key)
        context.load_verify_locations(self._authority.ca)
        context.verify_mode = ssl.CERT_OPTIONAL  # who enrolls has none yet; who renews must show its own
        host, _, port = address.rpartition(":")
        host = host.strip("[]")
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self._listening = socket.create_server((host, int(port)), family=family, backlog=_SOCKETS)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ListenError(f"cannot enroll devices on {address}: {reason}") from error
        self._listening.setblocking(False)
        self.port = int(self._listening.getsockname()[1])
        self._accepting = asyncio.create_task(self._accept(self._listening, context), name="enrolment desk")

    async def stop(self) -> None:
        """Listen no more."""
        if self._listening is None or self._accepting is None:
            return
        await end([self._accepting, *self._serving])
        self._listening.close()

    async def _accept(self, listening: socket.socket, context: ssl.SSLContext) -> None:
        """Take connections. They are counted before TLS begins: unfinished handshakes are what a flood is made of."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(listening)
            except OSError as error:  # the caller was gone at once, or no descriptor is left
                log.warning("an enrolment could not be taken: %s", error.strerror)
                await asyncio.sleep(_AGAIN_S)
                continue
            if len(self._serving) >= _SOCKETS:
                self.counts["busy"] += 1
                connection.close()
                continue
            task = asyncio.create_task(self._serve(connection, context), name="enrolment")
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)

    async def _serve(self, connection: socket.socket, context: ssl.SSLContext) -> None:
        # Not `start_tls`: with uvloop it loses what the device says first.
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=_LINE)
        protocol = asyncio.StreamReaderProtocol(reader)
        try:
            async with asyncio.timeout(_PATIENCE_S):
                transport, _ = await loop.connect_accepted_socket(lambda: protocol, connection, ssl=context)
                writer = asyncio.StreamWriter(transport, protocol, reader, loop)
                try:
                    await self._reply(reader, writer)
                finally:
                    writer.close()
                    with contextlib.suppress(OSError):  # the device has hung up already
                        await writer.wait_closed()
        except (OSError, TimeoutError):
            self.counts["malformed"] += 1

    async def _reply(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await reader.readline()
        except ValueError:  # it is too long
            line = b""
        if self._answering >= _AT_ONCE:
            self.counts["busy"] += 1
            answer = {"error": "too many devices enroll at once: try again"}
        else:
            self._answering += 1
            try:
                shown = writer.get_extra_info("ssl_object").getpeercert(True)
                answer = await asyncio.to_thread(self.answer, line, shown)
            finally:
                self._answering -= 1
        writer.write(json.dumps(answer).encode() + b"\n")
        await writer.drain()

    def answer(self, line: bytes, shown: bytes | None) -> dict[str, Any]:
        """The answer to one line; `shown`: the checked certificate of who asks, as DER."""
        try:
            asked = json.loads(b"" if nests(line) else line)
            ask, csr = asked["ask"], str(asked.get("csr", "")).encode()
            secret = str(asked.get("claim", "")).encode().decode()  # half a character is no text
        except (ValueError, KeyError, TypeError, AttributeError):
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
