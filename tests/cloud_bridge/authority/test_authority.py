"""Claims work once, keys are strong, and what was taken back stays taken back."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from cloud_bridge.authority import cli
from cloud_bridge.authority.authority import Authority
from cloud_bridge.authority.certificates import BadRequest, holder
from cloud_bridge.authority.desk import Desk
from cloud_bridge.errors import SettingError
from edge.identity import _request


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority", create=True)


def csr(name: str = "whatever") -> bytes:
    return _request(name)[1]


def secret(claim: str) -> str:
    return claim.split(":")[1]


def test_a_claim_grants_one_certificate_to_the_device_that_it_names(authority: Authority) -> None:
    """The name comes from the claim, whatever the request says; a second use is refused."""
    claim = authority.claim("car-7", "acme")
    granted = authority.enroll(secret(claim), csr("somebody-else"))
    made = x509.load_pem_x509_certificate(granted.certificate.encode())
    assert holder(made) == ("acme", "car-7")
    assert (granted.tenant, granted.device) == ("acme", "car-7")
    with pytest.raises(BadRequest, match="unknown, used or too old"):
        authority.enroll(secret(claim), csr())


def test_no_device_may_be_called_a_bridge(authority: Authority) -> None:
    """A broker's access list trusts that name with everything."""
    with pytest.raises(SettingError, match="the name of bridges"):
        authority.claim("mien-bridge")


def test_a_claim_expires_and_is_kept_hashed(authority: Authority) -> None:
    """The file holds no secret, and an old claim grants nothing."""
    claim = authority.claim("car-7", hours=1)
    assert secret(claim).encode() not in (authority.folder / "granted.sqlite").read_bytes()
    wal = authority.folder / "granted.sqlite-wal"
    assert not wal.exists() or secret(claim).encode() not in wal.read_bytes()
    with sqlite3.connect(authority.folder / "granted.sqlite") as db:
        db.execute("UPDATE claim SET expires_s = 1")
    with pytest.raises(BadRequest):
        authority.enroll(secret(claim), csr())


def test_a_refused_request_does_not_use_the_claim_up(authority: Authority) -> None:
    """Rubbish and a weak key are refused; the right one still works."""
    claim = authority.claim("car-7")
    weak = rsa.generate_private_key(65_537, 1_024)
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(weak, hashes.SHA256())
    for bad in (b"rubbish", b"", request.public_bytes(serialization.Encoding.PEM)):
        with pytest.raises(BadRequest):
            authority.enroll(secret(claim), bad)
    assert authority.enroll(secret(claim), csr()).device == "car-7"


def test_keys_are_for_this_user_alone(authority: Authority) -> None:
    """0600 in a folder of 0700; a device's certificate is no server's."""
    authority.server(["localhost"])
    for key in ("ca.key", "mien-bridge.key"):
        assert (authority.folder / key).stat().st_mode & 0o777 == 0o600
    assert authority.folder.stat().st_mode & 0o777 == 0o700
    granted = authority.enroll(secret(authority.claim("car-7")), csr())
    made = x509.load_pem_x509_certificate(granted.certificate.encode())
    uses = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(uses) == [x509.ExtendedKeyUsageOID.CLIENT_AUTH]


def test_revoking_lists_every_certificate_of_the_device_and_a_new_one_lifts_the_ban(authority: Authority) -> None:
    """Seen by another process's `Authority`, too."""
    running = Authority(authority.folder)
    numbers = []
    for _ in range(2):
        granted = authority.enroll(secret(authority.claim("car-7")), csr())
        numbers.append(x509.load_pem_x509_certificate(granted.certificate.encode()).serial_number)
    assert running.refuses(numbers[0]) is None
    assert running.refuses_device("default", "car-7") is None
    pending = authority.claim("car-7")
    assert authority.revoke("car-7") == 2
    listed = x509.load_pem_x509_crl(authority.revocation_list.read_bytes())
    assert {entry.serial_number for entry in listed} == set(numbers)
    running._read_s = float("-inf")
    assert all(running.refuses(number) for number in numbers)
    assert running.refuses_device("default", "car-7")
    with pytest.raises(BadRequest):
        authority.enroll(secret(pending), csr())
    authority.enroll(secret(authority.claim("car-7")), csr())
    running._read_s = float("-inf")
    assert running.refuses_device("default", "car-7") is None
    assert running.refuses(numbers[0])


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """claim, devices, revoke, issue; nothing before an authority exists."""
    monkeypatch.setenv("MIEN_STATE", str(tmp_path))
    assert cli.main(["devices"]) == 2
    assert "claim new" in capsys.readouterr().err
    assert cli.main(["claim", "new", "no spaces"]) == 2
    capsys.readouterr()
    assert cli.main(["claim", "new", "car-7", "--at", "bridge:50052", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["url"] == f"mien://bridge:50052?claim={told['claim']}"
    assert cli.main(["revoke", "car-7"]) == 1  # it has none yet
    claim = Authority(cli.folder()).claim("car-7")
    Authority(cli.folder()).enroll(secret(claim), csr())
    assert cli.main(["revoke", "car-7"]) == 0
    assert "crlfile" in capsys.readouterr().out
    assert cli.main(["devices", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["revoked"] is True
    assert cli.main(["issue", "broker", "--host", "localhost"]) == 0
    assert "broker.key" in capsys.readouterr().out


def test_a_folder_without_an_authority_is_named(tmp_path: Path) -> None:
    """With the mend."""
    with pytest.raises(SettingError, match="claim new"):
        Authority(tmp_path)


@pytest.mark.parametrize(
    "line",
    [b"", b"{}", b"[]", b"null", b"\xff\xfe", b'{"ask": 3}', b'{"ask": "renew"}', b'{"ask": "enroll"}', b"[" * 9_000],
)
def test_the_desk_answers_nonsense_with_an_error(authority: Authority, line: bytes) -> None:
    """Counted, never a crash."""
    desk = Desk(authority)
    assert "error" in desk.answer(line, None)
    assert sum(desk.counts.values()) == 1


def test_who_was_revoked_elsewhere_cannot_renew_in_the_same_moment(authority: Authority) -> None:
    """The bridge looks for revocations once a second; a renewal in between would never be taken back."""
    granted = authority.enroll(secret(authority.claim("car-7")), csr())
    made = x509.load_pem_x509_certificate(granted.certificate.encode())
    assert authority.refuses(made.serial_number) is None
    Authority(authority.folder).revoke("car-7")
    with pytest.raises(BadRequest, match="revoked"):
        authority.renew(made.public_bytes(serialization.Encoding.DER), csr())


def test_only_a_device_renews(authority: Authority) -> None:
    """A bridge's own certificate is of the same authority, and grants no device of that name."""
    own = x509.load_pem_x509_certificate(authority.server(["localhost"])[0].read_bytes())
    with pytest.raises(BadRequest, match="no device"):
        authority.renew(own.public_bytes(serialization.Encoding.DER), csr())


@pytest.mark.parametrize("name", ["ca", "revoked", "../elsewhere", ""])
def test_no_server_takes_the_authority_s_own_files(authority: Authority, name: str) -> None:
    """A certificate in the place of the revocation list would let every revoked device in again."""
    before = {file.name: file.read_bytes() for file in authority.folder.iterdir()}
    with pytest.raises(SettingError, match="name"):
        authority.server(["localhost"], name)
    assert {file.name: file.read_bytes() for file in authority.folder.iterdir()} == before


@pytest.mark.parametrize("claim", ["\\ud800", "x" * 9_000])
def test_a_claim_that_is_no_text_is_refused_with_a_word(authority: Authority, claim: str) -> None:
    """Whatever comes in is answered and counted; nothing of it is an error of the desk."""
    desk = Desk(authority)
    line = b'{"ask": "enroll", "claim": "%s", "csr": %s}' % (claim.encode(), json.dumps(csr().decode()).encode())
    assert "error" in desk.answer(line, None)
    assert desk.counts["refused"] + desk.counts["malformed"] == 1
