"""X.509 as this authority uses it: elliptic keys, short names, one purpose per certificate."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Iterable, Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID as Use
from cryptography.x509.oid import NameOID

_SLACK = datetime.timedelta(days=1)  # a device's clock may lag behind
AUTHORITY_DAYS = 3_650


class BadRequest(ValueError):  # noqa: N818
    """A signing request that cannot be granted. The message may be shown to who asked."""


def new_key() -> ec.EllipticCurvePrivateKey:
    """A fresh P-256 key: every TLS library and secure element knows that curve."""
    return ec.generate_private_key(ec.SECP256R1())


def pem_of_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    """PKCS#8, not encrypted: the file's mode guards it."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def pem(certificate: x509.Certificate) -> bytes:
    """The certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def signing_request(csr: bytes) -> x509.CertificateSigningRequest:
    """The request in PEM `csr`, whose sender holds its key. Nothing it says of a name counts. Raises BadRequest."""
    try:
        request = x509.load_pem_x509_csr(csr)
        key = request.public_key()
        good = request.is_signature_valid
    except (ValueError, TypeError, InvalidSignature) as error:
        raise BadRequest("the signing request cannot be read: send PKCS#10 in PEM") from error
    strong = (isinstance(key, ec.EllipticCurvePublicKey) and key.curve.key_size >= 256) or (
        isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2_048
    )
    if not good or not strong:
        raise BadRequest("the signing request needs a valid signature by an EC key of 256 or an RSA key of 2048 bits")
    return request


def self_signed(key: ec.EllipticCurvePrivateKey, name: str) -> x509.Certificate:
    """The authority's own certificate."""
    subject = _name(name)
    return (
        _begin(subject, subject, key.public_key(), AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def for_device(
    authority: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
    request: x509.CertificateSigningRequest,
    *,
    device: str,
    tenant: str,
    days: float,
) -> x509.Certificate:
    """A client's certificate: common name = tenant/device, as a broker's access list needs it (deploy/mosquitto);
    organization = tenant. It cannot play a server."""
    builder = _begin(authority.subject, _name(f"{tenant}/{device}", tenant), request.public_key(), days)
    return _leaf(builder, key, [Use.CLIENT_AUTH]).sign(key, hashes.SHA256())


def for_server(
    authority: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
    own: ec.EllipticCurvePrivateKey,
    *,
    name: str,
    hosts: Sequence[str],
    days: float,
) -> x509.Certificate:
    """A bridge's or broker's certificate for `hosts` (names and addresses); also a client's, to join a broker."""
    builder = _begin(authority.subject, _name(name), own.public_key(), days)
    names: list[x509.GeneralName] = []
    for host in hosts:
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(host)))
        except ValueError:
            names.append(x509.DNSName(host))
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return _leaf(builder, key, [Use.SERVER_AUTH, Use.CLIENT_AUTH]).sign(key, hashes.SHA256())


def revocations(
    authority: x509.Certificate, key: ec.EllipticCurvePrivateKey, revoked: Iterable[tuple[int, float]]
) -> bytes:
    """A revocation list in PEM of (serial, UTC second). It stays valid as long as the authority: a list that ran out
    would make a broker refuse everyone."""
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.subject)
        .last_update(now - _SLACK)
        .next_update(authority.not_valid_after_utc)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )
    for serial, at_s in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(serial)
        builder = builder.add_revoked_certificate(
            entry.revocation_date(datetime.datetime.fromtimestamp(at_s, datetime.UTC)).build()
        )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def holder(certificate: x509.Certificate) -> tuple[str, str]:
    """(tenant, device) of a device's certificate; empty where it names none."""
    found = []
    for oid in (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME):
        values = certificate.subject.get_attributes_for_oid(oid)
        found.append(str(values[0].value) if values else "")
    return found[0], found[1].removeprefix(f"{found[0]}/")


def _begin(issuer: x509.Name, subject: x509.Name, key: object, days: float) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(key)  # type: ignore[arg-type]  # whatever kind `signing_request` let through
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SLACK)
        .not_valid_after(now + datetime.timedelta(days=days))
    )


def _leaf(
    builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey, uses: list[x509.ObjectIdentifier]
) -> x509.CertificateBuilder:
    return (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str, organization: str = "") -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common)]
    if organization:
        parts.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(parts)
