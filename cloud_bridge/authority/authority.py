"""The authority in a folder: its key, what it granted, what it took back.

authority/ca.pem  ca.key         whom devices trust; the key never leaves this folder (0600)
authority/bridge.pem bridge.key  this bridge's own certificate
authority/granted.sqlite         open claims (hashed) and the certificates of devices
authority/revoked.pem            the revocation list, for a broker (`crlfile`) and for this bridge
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import hashlib
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from cloud_bridge.authority import certificates
from cloud_bridge.authority.certificates import BadRequest
from cloud_bridge.authority.files import alone, write
from cloud_bridge.errors import BridgeError, SettingError
from cloud_bridge.state import state_folder
from edge.wire import WireError, layout
from edge.wire.check import check_device

BRIDGE = "mien-bridge"  # the common name of a bridge, here and in a broker's access list
DEVICE_DAYS = 90.0
CLAIM_HOURS = 24.0
_SERVER_DAYS = 730.0
_COMMON_NAME = 64  # characters that X.509 gives it
_STALE_S = 1.0  # another process may have revoked: looked at this often
_SCHEMA = """
CREATE TABLE IF NOT EXISTS claim (hash BLOB PRIMARY KEY, tenant TEXT NOT NULL, device TEXT NOT NULL,
    expires_s REAL NOT NULL);
CREATE TABLE IF NOT EXISTS certificate (serial TEXT PRIMARY KEY, tenant TEXT NOT NULL, device TEXT NOT NULL,
    expires_s REAL NOT NULL, revoked_s REAL);
CREATE INDEX IF NOT EXISTS certificate_of ON certificate (tenant, device);
"""


@dataclass(frozen=True, slots=True)
class Granted:
    """What a device gets: PEM texts, and who it now is."""

    certificate: str
    ca: str
    device: str
    tenant: str


@dataclass(frozen=True, slots=True)
class Holder:
    """One certificate of a device, for people to read."""

    tenant: str
    device: str
    expires_s: float  # UTC
    revoked: bool


class Authority:
    """The authority in `folder`; made there when it is new and `create` is set.

    May be opened by several processes at once (the running bridge, and a command). Raises SettingError when it is not
    there or cannot be used, and later BridgeError while its file cannot be written.
    """

    def __init__(self, folder: Path, *, create: bool = False, device_days: float = DEVICE_DAYS) -> None:
        self.folder = folder
        self._days = device_days
        self._lock = threading.RLock()  # one transaction at a time on this connection
        self._read_s = float("-inf")
        self._version = (-1, -1)
        self._revoked: frozenset[int] = frozenset()
        self._gone: frozenset[tuple[str, str]] = frozenset()
        try:
            if create and not (folder / "ca.key").exists():
                self._begin()
            key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
            self._certificate = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
            self._db = sqlite3.connect(folder / "granted.sqlite", isolation_level=None, check_same_thread=False)
            layout.check_database(self._db)
            self._db.executescript(_SCHEMA)
        except FileNotFoundError as error:
            raise SettingError(f"no authority in {folder}: begin with `mien bridge claim new DEVICE`") from error
        except (OSError, ValueError, sqlite3.Error) as error:
            raise SettingError(f"the authority in {folder} cannot be used: {error}") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise SettingError(f"{folder / 'ca.key'} is no elliptic key: move it away, or give another folder")
        if self._certificate.public_key() != key.public_key():
            raise SettingError(f"ca.pem and ca.key in {folder} do not belong together: restore both from one backup")
        self._key = key
        if not self.revocation_list.exists():
            with self._transaction():
                self._write_list()

    @property
    def ca(self) -> Path:
        """The certificate that devices trust."""
        return self.folder / "ca.pem"

    @property
    def revocation_list(self) -> Path:
        """Certificates that were taken back, as PEM."""
        return self.folder / "revoked.pem"

    def fingerprint(self) -> str:
        """120 bits of the SHA-256 of the authority's certificate (DER), in base32: 24 letters and digits."""
        return fingerprint(self._certificate.fingerprint(hashes.SHA256()))

    # ------------------------------------------------------------ granting

    def claim(self, device: str, tenant: str = "default", *, hours: float = CLAIM_HOURS) -> str:
        """A claim that lets whoever shows it first become `device`: `DEVICE:SECRET:FINGERPRINT`. Only a hash of the
        secret is kept. Raises SettingError for names that cannot be."""
        for name in (device, tenant):
            try:
                check_device(name)
            except WireError as error:
                raise SettingError(str(error)) from error
        if len(device) + len(tenant) >= _COMMON_NAME:
            raise SettingError(f"'{tenant}/{device}' is too long for a certificate: 63 letters and digits in all")
        if device == BRIDGE:
            raise SettingError(f"{BRIDGE} is the name of bridges, which a broker lets read everything: take another")
        secret = base64.b32encode(secrets.token_bytes(15)).decode()
        with self._transaction():
            self._db.execute("DELETE FROM claim WHERE expires_s < ?", (time.time(),))
            row = (_hash(secret), tenant, device, time.time() + hours * 3_600)
            self._db.execute("INSERT INTO claim VALUES (?, ?, ?, ?)", row)
        return f"{device}:{secret}:{self.fingerprint()}"

    def enroll(self, secret: str, csr: bytes) -> Granted:
        """Grant a certificate for the claim with `secret`, which is used up by it. Raises BadRequest."""
        request = certificates.signing_request(csr)
        with self._transaction():
            found = self._db.execute(
                "DELETE FROM claim WHERE hash = ? RETURNING tenant, device, expires_s", (_hash(secret),)
            ).fetchone()
            if found is None or found[2] < time.time():
                raise BadRequest("this claim is unknown, used or too old: ask for a new one")
            return self._grant(found[0], found[1], request)

    def renew(self, certificate: bytes, csr: bytes) -> Granted:
        """A new certificate for the holder of the valid DER `certificate`. Raises BadRequest."""
        known = x509.load_der_x509_certificate(certificate)
        request = certificates.signing_request(csr)
        with self._transaction():  # asked of the file: what `refuses` knows may be a second old
            found = self._db.execute(
                "SELECT revoked_s FROM certificate WHERE serial = ?", (str(known.serial_number),)
            ).fetchone()
            if found is None:
                raise BadRequest("no device has this certificate: enroll it")
            if found[0] is not None:
                raise BadRequest("this certificate was revoked: enroll the device again")
            return self._grant(*certificates.holder(known), request)

    def server(self, hosts: Sequence[str], name: str = BRIDGE) -> tuple[Path, Path]:
        """(certificate, key) files of a server for `hosts`; made when missing, soon over, or for other hosts.

        Raises SettingError for a name that cannot be."""
        try:
            check_device(name)
        except WireError as error:
            raise SettingError(str(error)) from error
        if name in ("ca", "revoked"):
            raise SettingError(f"'{name}' is the name of the authority's own file: take another")
        path, key_path = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        if self._serves(path, key_path, hosts):
            return path, key_path
        with alone(self.folder):
            if not self._serves(path, key_path, hosts):  # another process may have been quicker
                key = certificates.new_key()
                made = certificates.for_server(
                    self._certificate, self._key, key, name=name, hosts=hosts, days=_SERVER_DAYS
                )
                write(key_path, certificates.pem_of_key(key))
                write(path, certificates.pem(made))
        return path, key_path

    # ------------------------------------------------------------ taking back

    def revoke(self, device: str, tenant: str = "default") -> int:
        """Take back every certificate and open claim of `device`; how many certificates that were."""
        with self._transaction():
            self._db.execute("DELETE FROM claim WHERE tenant = ? AND device = ?", (tenant, device))
            done = self._db.execute(
                "UPDATE certificate SET revoked_s = ? WHERE tenant = ? AND device = ? AND revoked_s IS NULL",
                (time.time(), tenant, device),
            ).rowcount
        with self._transaction():  # alone: a list written beside another's would lack what that one revoked
            self._write_list()
        return done

    def who(self, pem: bytes) -> tuple[str, int]:
        """(tenant, serial) of a device's certificate, already checked against the authority."""
        shown = x509.load_pem_x509_certificate(pem)
        return certificates.holder(shown)[0], shown.serial_number

    def refuses(self, serial: int) -> str | None:
        """Why the holder of the certificate with this number may not speak, or None."""
        self._refresh()
        if serial in self._revoked:
            return "this certificate was revoked: enroll the device again"
        return None

    def refuses_device(self, tenant: str, device: str) -> str | None:
        """As `refuses`, by name, where a broker has seen the certificate: all that this device ever had is revoked."""
        self._refresh()
        return "this device was revoked: enroll it again" if (tenant, device) in self._gone else None

    def holders(self) -> list[Holder]:
        """The newest certificate of each device, by name."""
        rows = self._db.execute(
            "SELECT tenant, device, MAX(expires_s), MIN(revoked_s IS NOT NULL) FROM certificate GROUP BY tenant, device"
        )
        return [Holder(tenant, device, expires_s, bool(revoked)) for tenant, device, expires_s, revoked in rows]

    # ------------------------------------------------------------ inside

    def _begin(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with alone(self.folder):
            if (self.folder / "ca.key").exists():  # another process was quicker
                return
            key = certificates.new_key()
            write(self.folder / "ca.pem", certificates.pem(certificates.self_signed(key, "Mien devices")))
            write(self.folder / "ca.key", certificates.pem_of_key(key))

    def _serves(self, path: Path, key_path: Path, hosts: Sequence[str]) -> bool:
        """Whether these files still are a good certificate of this authority for `hosts`, with its key."""
        try:
            known = x509.load_pem_x509_certificate(path.read_bytes())
            key = serialization.load_pem_private_key(key_path.read_bytes(), None)
            names = known.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            known.verify_directly_issued_by(self._certificate)
        except (OSError, ValueError, TypeError, x509.ExtensionNotFound, InvalidSignature):
            return False
        left = known.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
        fits = {str(name.value) for name in names} == set(hosts) and known.public_key() == key.public_key()
        return fits and left.days > _SERVER_DAYS / 3

    def _grant(self, tenant: str, device: str, request: x509.CertificateSigningRequest) -> Granted:
        made = certificates.for_device(
            self._certificate, self._key, request, device=device, tenant=tenant, days=self._days
        )
        self._db.execute(
            "INSERT INTO certificate VALUES (?, ?, ?, ?, NULL)",
            (str(made.serial_number), tenant, device, made.not_valid_after_utc.timestamp()),
        )
        return Granted(certificates.pem(made).decode(), self.ca.read_text(), device, tenant)

    def _write_list(self) -> None:
        rows = self._db.execute("SELECT serial, revoked_s FROM certificate WHERE revoked_s IS NOT NULL")
        listed = certificates.revocations(self._certificate, self._key, [(int(serial), at_s) for serial, at_s in rows])
        write(self.revocation_list, listed, mode=0o644)  # a broker of another user reads it

    def _refresh(self) -> None:
        """Learn what another process revoked or granted: a new certificate lifts the ban on its name."""
        with self._lock:
            now_s = time.monotonic()
            if now_s - self._read_s < _STALE_S:
                return
            self._read_s = now_s
            version = (self._db.execute("PRAGMA data_version").fetchone()[0], self._db.total_changes)  # others', ours
            if version != self._version:
                self._version = version
                found = self._db.execute("SELECT serial FROM certificate WHERE revoked_s IS NOT NULL")
                self._revoked = frozenset(int(serial) for (serial,) in found)
                self._gone = frozenset((h.tenant, h.device) for h in self.holders() if h.revoked)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            with self._lock, self._db:  # commits, or rolls back
                self._db.execute("BEGIN IMMEDIATE")
                yield
        except (sqlite3.Error, OSError) as error:
            raise BridgeError(f"the authority in {self.folder} cannot be written now ({error}): try again") from error


def folder() -> Path:
    """Where this bridge's authority lies."""
    return state_folder() / "authority"


def fingerprint(sha256: bytes) -> str:
    """A SHA-256 as it stands in a claim."""
    return base64.b32encode(sha256[:15]).decode()


def _hash(secret: str) -> bytes:
    """The secret has 120 random bits: no salt or stretching is needed against guessing."""
    return hashlib.sha256(secret.strip().upper().encode()).digest()
