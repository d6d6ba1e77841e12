"""Who this device is: a key that is made here and never leaves, and a certificate that the bridge grants for it.

The folder holds `identity.pem` (key and certificate in one file of mode 0600, so that both change in one step),
`ca.pem` (whom to trust) and `enrolled.json` (where, and as whom).
"""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import ssl
import time
from pathlib import Path
from typing import Any

from edge.config import Config, state_folder
from edge.errors import ConfigError, TransportError
from edge.files import write_private
from edge.transports.base import TlsFiles
from edge.wire import layout

DEFAULT_PORT = 50_052
_WAIT_S = 15.0
_ANSWER = 65_536  # bytes
_RENEW_AT = 1 / 3  # of its life left


class Identity:
    """The identity in `folder`, be it there yet or not."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, config: Config) -> Identity | None:
        """The identity of an enrolled device; None where there is none, or the settings name other files."""
        found = cls(state_folder() / "identity")
        return found if found.path.exists() and config.link.cert is None else None

    @property
    def path(self) -> Path:
        """Key and certificate."""
        return self.folder / "identity.pem"

    @property
    def tls(self) -> TlsFiles:
        """As the transports take it."""
        return TlsFiles(self.folder / "ca.pem", self.path, self.path)

    @property
    def about(self) -> dict[str, str]:
        """`device`, `tenant` and `address` of the enrolment. Raises ConfigError."""
        try:
            found = json.loads((self.folder / "enrolled.json").read_text())
            layout.check_json(found)
            return {name: str(found[name]) for name in ("device", "tenant", "address")}
        except layout.NewerLayout as error:
            raise ConfigError(f"the identity in {self.folder} cannot be used: {error}, or enroll again") from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(f"the identity in {self.folder} is not whole: enroll again") from error

    def life_s(self) -> tuple[float, float]:
        """UTC seconds from which and until which the certificate holds. Raises ConfigError."""
        from cryptography import x509

        try:
            certificate = x509.load_pem_x509_certificate(self.path.read_bytes())
        except (OSError, ValueError) as error:
            raise ConfigError(f"{self.path} holds no certificate: enroll again") from error
        return certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()

    def due(self) -> bool:
        """Whether less than a third of the certificate's life is left."""
        begin_s, end_s = self.life_s()
        return end_s - time.time() < (end_s - begin_s) * _RENEW_AT

    def enroll(self, address: str, claim: str) -> None:
        """Become the device that `claim` (`DEVICE:SECRET:FINGERPRINT`) names, at the bridge's desk `host:port`.

        Raises TransportError when the desk cannot be reached or refuses, ConfigError when the claim is none.
        """
        try:
            device, secret, fingerprint = claim.strip().split(":")
        except ValueError as error:
            raise ConfigError(
                "this is no claim: it reads DEVICE:SECRET:FINGERPRINT, from `mien bridge claim`"
            ) from error
        # Nobody is trusted yet: whoever answers must show the authority whose fingerprint the claim carries.
        stranger = ssl.create_default_context()
        stranger.check_hostname, stranger.verify_mode = False, ssl.CERT_NONE
        ca = str(_ask(address, stranger, {"ask": "ca"}).get("ca", ""))
        try:
            der = ssl.PEM_cert_to_DER_cert(ca)
            shown = hashlib.sha256(der).digest()
        except ValueError as error:
            raise TransportError(f"{address} does not enroll devices: look at host and port") from error
        if base64.b32encode(shown[:15]).decode() != fingerprint.upper():
            raise TransportError(f"{address} is not the bridge that made this claim: somebody may stand in between")
        trusting = ssl.create_default_context(cadata=der)  # not the text: another may stand behind the one compared
        key, csr = _request(device)
        granted = _ask(address, trusting, {"ask": "enroll", "claim": secret, "csr": csr.decode()})
        self._keep(address, key, granted)

    def renew(self) -> None:
        """Change key and certificate for new ones. Raises TransportError or ConfigError; the old ones then stay."""
        about = self.about
        try:
            context = ssl.create_default_context(cafile=self.folder / "ca.pem")
            context.load_cert_chain(self.path)
        except OSError as error:
            raise ConfigError(f"the identity in {self.folder} cannot be used ({error}): enroll again") from error
        key, csr = _request(about["device"])
        self._keep(about["address"], key, _ask(about["address"], context, {"ask": "renew", "csr": csr.decode()}))

    def _keep(self, address: str, key: bytes, granted: dict[str, Any]) -> None:
        try:
            about = {"device": str(granted["device"]), "tenant": str(granted["tenant"]), "address": address}
            certificate, ca = str(granted["certificate"]).encode(), str(granted["ca"]).encode()
        except KeyError as error:
            raise TransportError(f"{address} answered without a certificate: update device or bridge") from error
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(self.folder / "ca.pem", ca)
            write_private(self.folder / "enrolled.json", json.dumps(about).encode())
            write_private(self.path, key + certificate)
        except OSError as error:
            raise ConfigError(f"the identity cannot be kept in {self.folder}: {error.strerror}") from error


def _request(device: str) -> tuple[bytes, bytes]:
    """A fresh P-256 key and a signing request for it, in PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, device)])
    csr = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private, csr.public_bytes(serialization.Encoding.PEM)


def _ask(address: str, context: ssl.SSLContext, question: dict[str, str]) -> dict[str, Any]:
    """One line to the desk, one line back."""
    host, _, port = address.removeprefix("mien://").rpartition(":")
    try:
        where = (host.strip("[]"), int(port)) if host else (port, DEFAULT_PORT)
        with (
            socket.create_connection(where, _WAIT_S) as plain,
            context.wrap_socket(plain, server_hostname=where[0]) as secure,
            secure.makefile("rb") as lines,
        ):
            secure.sendall(json.dumps(question).encode() + b"\n")
            answer = json.loads(lines.readline(_ANSWER))
    except ssl.SSLCertVerificationError as error:
        raise TransportError(
            f"{address}: its certificate is not good ({error.verify_message}): look at host and clock"
        ) from error
    except OSError as error:
        raise TransportError(
            f"{address} cannot be reached ({error}): is `mien bridge --enroll` running there?"
        ) from error
    except ValueError as error:
        raise TransportError(f"{address} does not enroll devices: look at host and port") from error
    if not isinstance(answer, dict) or "error" in answer:
        raise TransportError(f"{address} refuses: {answer['error'] if isinstance(answer, dict) else 'no answer'}")
    return answer
