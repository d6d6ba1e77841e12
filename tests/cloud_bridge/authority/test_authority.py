"""Claims work once, keys are strong, and what was taken back stays taken back."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import ssl
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from cloud_bridge.authority import authority as module
from cloud_bridge.authority import certificates, cli
from cloud_bridge.authority.authority import Authority
from cloud_bridge.authority.certificates import BadRequest, holder
from cloud_bridge.authority.desk import Desk
from cloud_bridge.errors import BridgeError, ListenError, SettingError
from edge.identity import Identity, _request
from tests.sim.wait import soon


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


def test_a_bridge_and_a_command_that_begin_at_once_make_one_authority(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One's key beside the other's certificate would sign what no device trusts."""
    new_key = certificates.new_key

    def slowly() -> object:
        time.sleep(0.05)
        return new_key()

    monkeypatch.setattr(certificates, "new_key", slowly)
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda _: Authority(tmp_path / "authority", create=True), range(4)))
    assert len({one.fingerprint() for one in made}) == 1
    granted = made[0].enroll(secret(made[1].claim("car-7")), csr())
    made_of = x509.load_pem_x509_certificate(granted.certificate.encode())
    made_of.verify_directly_issued_by(x509.load_pem_x509_certificate(made[2].ca.read_bytes()))


def test_a_key_that_is_not_the_authority_s_is_told(authority: Authority) -> None:
    """A half restored backup must not sign."""
    (authority.folder / "ca.key").write_bytes(certificates.pem_of_key(certificates.new_key()))
    with pytest.raises(SettingError, match="do not belong together"):
        Authority(authority.folder)


@pytest.mark.parametrize("torn", ["key", "pem", "authority"])
def test_a_bridge_s_own_certificate_that_does_not_fit_is_made_anew(
    authority: Authority, tmp_path: Path, torn: str
) -> None:
    """A power cut between its two files, or another authority: the bridge must still come up, and be trusted."""
    path, key_path = authority.server(["localhost"])
    assert authority.server(["localhost"]) == (path, key_path)
    before = path.read_bytes()
    if torn == "key":
        key_path.write_bytes(certificates.pem_of_key(certificates.new_key()))
    elif torn == "pem":
        path.write_bytes(before[:100])
    else:
        other, other_key = Authority(tmp_path / "other", create=True).server(["localhost"])
        path.write_bytes(other.read_bytes())
        key_path.write_bytes(other_key.read_bytes())
    authority.server(["localhost"])
    made = x509.load_pem_x509_certificate(path.read_bytes())
    made.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.ca.read_bytes()))
    assert made.public_key() == serialization.load_pem_private_key(key_path.read_bytes(), None).public_key()
    assert path.read_bytes() != before


def test_a_revocation_holds_here_although_the_list_could_not_be_written(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk keeps a broker's list old, which is told; the running bridge refuses the device all the same."""
    running = Authority(authority.folder)
    granted = authority.enroll(secret(authority.claim("car-7")), csr())
    number = x509.load_pem_x509_certificate(granted.certificate.encode()).serial_number
    assert running.refuses(number) is None

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write", full)
    with pytest.raises(BridgeError, match="No space left"):
        authority.revoke("car-7")
    running._read_s = float("-inf")
    assert running.refuses(number)


def test_a_file_that_another_holds_is_told_to_the_device(authority: Authority) -> None:
    """It asks again; the claim is not used up."""
    claim = authority.claim("car-7")
    authority._db.execute("PRAGMA busy_timeout = 20")
    desk = Desk(authority)
    line = json.dumps({"ask": "enroll", "claim": secret(claim), "csr": csr().decode()}).encode()
    with sqlite3.connect(authority.folder / "granted.sqlite", isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert "try again" in desk.answer(line, None)["error"]
        other.execute("ROLLBACK")
    assert desk.counts["failed"] == 1
    assert desk.answer(line, None)["device"] == "car-7"


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_devices_that_enroll_at_once_are_all_served(
    authority: Authority, tmp_path: Path, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """On the loop of the tests and on the bridge's own: what a device says first comes before anybody listens."""
    claims = [authority.claim(f"car-{n}") for n in range(16)]

    async def serve() -> None:
        desk = Desk(authority)
        await desk.start("127.0.0.1:0", ["localhost"])
        address, loop = f"localhost:{desk.port}", asyncio.get_running_loop()
        with ThreadPoolExecutor(16) as devices:
            enrolling = (
                loop.run_in_executor(devices, Identity(tmp_path / str(n)).enroll, address, claim)
                for n, claim in enumerate(claims)
            )
            await asyncio.gather(*enrolling)
        await desk.stop()
        assert desk.counts == {"enrolled": 16}

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(serve())


async def test_a_port_that_cannot_be_is_told(authority: Authority) -> None:
    """In a line, as any other address that cannot be had."""
    with pytest.raises(ListenError, match="99999"):
        await Desk(authority).start("127.0.0.1:99999", ["localhost"])


@pytest.mark.parametrize("hours", ["0", "-5", "nan", "soon", "1e9"])
def test_a_claim_that_never_holds_is_not_made(hours: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nor one that holds for ever."""
    with pytest.raises(SystemExit):
        cli.main(["claim", "new", "car-7", "--hours", hours])
    assert "at most" in capsys.readouterr().err


async def test_a_flood_of_sockets_that_say_nothing_stays_small(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strangers who begin no handshake hold at most so many places; one more is hung up on, and a place that becomes
    free serves the next."""
    monkeypatch.setattr("cloud_bridge.authority.desk._SOCKETS", 4)
    desk = Desk(authority)
    await desk.start("127.0.0.1:0", ["localhost"])
    silent = [await asyncio.open_connection("127.0.0.1", desk.port) for _ in range(4)]
    await soon(lambda: len(desk._serving) == 4)
    more, _ = await asyncio.open_connection("127.0.0.1", desk.port)
    with contextlib.suppress(ConnectionResetError):
        assert await asyncio.wait_for(more.read(1), 20) == b""
    assert desk.counts["busy"] == 1
    for _, writer in silent:
        writer.close()
    await soon(lambda: not desk._serving)
    context = ssl.create_default_context(cafile=authority.ca)
    reader, writer = await asyncio.open_connection("localhost", desk.port, ssl=context)
    writer.write(b'{"ask": "ca"}\n')
    assert json.loads(await reader.readline())["ca"] == authority.ca.read_text()
    writer.close()
    await desk.stop()


def test_a_name_that_no_certificate_holds_is_refused_at_the_claim(authority: Authority) -> None:
    """Tenant and device share the common name's 64 characters."""
    authority.claim("d" * 32, "t" * 31)
    with pytest.raises(SettingError, match="too long"):
        authority.claim("d" * 32, "t" * 32)
