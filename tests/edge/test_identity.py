"""A device's identity against a real desk, a real gRPC bridge and a real Mosquitto."""

from __future__ import annotations

import asyncio
import base64
import errno
import getpass
import json
import shutil
import signal
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.link_faults import Loop
from cloud_bridge.authority.authority import Authority
from cloud_bridge.authority.desk import Desk
from cloud_bridge.ingest import grpc, mqtt
from cloud_bridge.ingest.base import Tls
from cloud_bridge.ingest.sessions import Sessions
from edge.cli.enroll import main as enroll
from edge.config import Config
from edge.doctor import identity as check
from edge.errors import ConfigError, TransportError
from edge.identity import Identity
from edge.outbox import Outbox
from edge.uplink import Uplink
from edge.wire.backoff import Backoff
from edge.wire.envelope import Sealer
from tests.sim.bridge import App
from tests.sim.mosquitto import Mosquitto, free_port
from tests.sim.wait import until

SHIPPED = Path(__file__).parents[2] / "deploy" / "mosquitto"
HOSTS = ["localhost", "127.0.0.1"]


class Site:
    """An authority with its desk, and a bridge that takes only enrolled devices."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.authority = Authority(folder / "authority", create=True)
        self.app, self._loop = App(), Loop()
        self._monkeypatch = monkeypatch
        monkeypatch.setattr(grpc, "_GUARD_S", 0.2)
        self._loop.run(self._start())
        self.desk_at = f"localhost:{self.desk.port}"

    async def _start(self) -> None:
        self.desk = Desk(self.authority)
        await self.desk.start("127.0.0.1:0", HOSTS)
        self.sessions = Sessions(self.app, grace_s=0.2)
        certificate, key = self.authority.server(HOSTS)
        tls = Tls(str(certificate), str(key), str(self.authority.ca))
        self.server = await grpc.serve(self.sessions, "127.0.0.1:0", tls=tls, guard=self.authority)
        self.uri = f"grpcs://localhost:{self.server.port}"

    def join(self, port: int) -> mqtt.Server:
        """Join the broker on `port`, too."""
        certificate, key = self.authority.server(HOSTS)
        broker = mqtt.Broker("localhost", port, ca=self.authority.ca, certificate=certificate, key=key, tls=True)

        async def go() -> mqtt.Server:
            server = await mqtt.serve(self.sessions, broker, guard=self.authority)
            await asyncio.wait_for(server.joined.wait(), 20)
            return server

        return self._loop.run(go())  # type: ignore[no-any-return]

    def run(self, work: object) -> None:
        self._loop.run(work)

    def close(self) -> None:
        for work in (self.server.stop(0), self.sessions.close(), self.desk.stop()):
            self._loop.run(work)
        self._loop.close()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    site = Site(tmp_path, monkeypatch)
    yield site
    site.close()


def enrolled(site: Site, folder: Path, device: str = "car-7", tenant: str = "default") -> Identity:
    identity = Identity(folder)
    identity.enroll(site.desk_at, site.authority.claim(device, tenant))
    return identity


class Linked:
    """Outbox and uplink of one enrolled device."""

    def __init__(self, identity: Identity, uri: str, folder: Path, device: str = "car-7") -> None:
        self.box = Outbox(folder / f"{device}.sqlite")
        self.sealer = Sealer(device)
        self.uplink = Uplink(
            self.box,
            [uri],
            self.sealer.hello("test"),
            on_reply=lambda reply: None,
            identity=identity,
            backoff=Backoff(0.05, 0.2),
        )
        self.uplink.start()

    def send(self) -> None:
        self.box.put(self.sealer.turn("turn_end", 1, words="hello", ttl_s=0))

    def until(self, wanted: str) -> bool:
        """Whether the reason of the link, or its state, comes to hold `wanted`."""
        end = time.monotonic() + 20.0
        while time.monotonic() < end:
            state = self.uplink.state
            if wanted == state.name or wanted in state.reason:
                return True
            time.sleep(0.01)
        return False

    def delivered(self, seconds: float = 20.0) -> bool:
        end = time.monotonic() + seconds
        while len(self.box) and time.monotonic() < end:
            time.sleep(0.01)
        return not len(self.box)

    def close(self) -> None:
        self.uplink.stop(0)
        self.box.close()


def test_the_key_is_made_on_the_device_and_stays_there(site: Site, tmp_path: Path) -> None:
    """0600; neither the key nor the whole claim is among what the authority has."""
    identity = enrolled(site, tmp_path / "device")
    text = identity.path.read_text()
    assert identity.path.stat().st_mode & 0o777 == 0o600
    assert identity.folder.stat().st_mode & 0o777 == 0o700
    key = text.split("-----END PRIVATE KEY-----")[0]
    for file in site.authority.folder.iterdir():
        assert key.splitlines()[1].encode() not in file.read_bytes()
    assert identity.about == {"device": "car-7", "tenant": "default", "address": site.desk_at}


def test_an_enrolled_device_speaks_by_grpc_as_itself_alone(site: Site, tmp_path: Path) -> None:
    """Its envelopes arrive under its tenant; in another's name, and without a certificate, nothing does."""
    identity = enrolled(site, tmp_path / "device", tenant="acme")
    device = Linked(identity, site.uri, tmp_path)
    device.send()
    assert device.delivered()
    device.close()
    assert next(iter(site.app.links)) == "car-7"
    assert site.sessions.dedupe.seen("acme/car-7", device.sealer.boot, 1)
    thief = Linked(identity, site.uri, tmp_path, "car-8")
    assert thief.until("not the name in its certificate")
    thief.close()
    nobody = Identity(tmp_path / "nobody")
    nobody.folder.mkdir()
    (nobody.folder / "ca.pem").write_bytes(site.authority.ca.read_bytes())
    other = Authority(tmp_path / "other", create=True)
    certificate, key = other.server(HOSTS)
    nobody.path.write_bytes(key.read_bytes() + certificate.read_bytes())
    stranger = Linked(nobody, site.uri, tmp_path, "mien-bridge")
    assert stranger.until("waiting")
    stranger.close()
    assert "mien-bridge" not in site.app.links


def test_a_revoked_device_is_cut_off_and_refused(site: Site, tmp_path: Path) -> None:
    """While it is online, and when it comes again; nor can it renew. A new claim takes it back."""
    identity = enrolled(site, tmp_path / "device")
    device = Linked(identity, site.uri, tmp_path)
    assert device.until("online")
    site.authority.revoke("car-7")
    assert device.until("revoked")
    device.send()
    assert not device.delivered(0.5)
    with pytest.raises(TransportError, match="revoked"):
        identity.renew()
    identity.enroll(site.desk_at, site.authority.claim("car-7"))
    assert device.delivered()
    device.close()


def test_a_certificate_that_is_due_is_renewed_while_the_device_runs(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Key and certificate change together, and the new ones are taken; so does `mien enroll --renew`."""
    site.authority._days = 0.3  # with the day before that every certificate holds: a third of its life is not left
    identity = enrolled(site, tmp_path / "state" / "identity")
    before = identity.path.read_text()
    assert identity.due()
    site.authority._days = 90.0
    device = Linked(identity, site.uri, tmp_path)
    until(lambda: device.uplink.counts["renewed"] == 1)
    device.close()
    after = identity.path.read_text()
    assert not identity.due()
    assert before.split("-----END PRIVATE")[0] != after.split("-----END PRIVATE")[0]
    again = Linked(identity, site.uri, tmp_path)
    again.send()
    assert again.delivered()
    again.close()
    monkeypatch.setenv("MIEN_STATE", str(tmp_path / "state"))
    assert enroll(["--renew"]) == 0
    assert identity.path.read_text() != after
    assert "car-7" in capsys.readouterr().out


def test_who_stands_in_between_is_found_out(site: Site, tmp_path: Path) -> None:
    """A desk of another authority, a claim that is none, one that is used up, and an address where nobody is."""
    identity = Identity(tmp_path / "device")
    elsewhere = Authority(tmp_path / "elsewhere", create=True).claim("car-7")
    with pytest.raises(TransportError, match="stand in between"):
        identity.enroll(site.desk_at, elsewhere)
    with pytest.raises(ConfigError, match="no claim"):
        identity.enroll(site.desk_at, "car-7")
    claim = site.authority.claim("car-7")
    identity.enroll(site.desk_at, claim)
    with pytest.raises(TransportError, match="used"):
        Identity(tmp_path / "second").enroll(site.desk_at, claim)
    assert not (tmp_path / "second").exists()
    with pytest.raises(TransportError, match="cannot be reached"):
        identity.enroll(f"localhost:{free_port()}", site.authority.claim("car-7"))


def test_a_device_cannot_play_the_bridge(site: Site, tmp_path: Path) -> None:
    """Its certificate is of the same authority, but serves nobody."""
    identity = enrolled(site, tmp_path / "device")
    rogue = Loop()
    tls = Tls(str(identity.path), str(identity.path), str(site.authority.ca))

    async def start() -> tuple[grpc.Server, Sessions]:
        sessions = Sessions(App())
        return await grpc.serve(sessions, "127.0.0.1:0", tls=tls), sessions

    server, sessions = rogue.run(start())
    device = Linked(identity, f"grpcs://localhost:{server.port}?name=car-7", tmp_path)
    assert device.until("waiting")
    assert not device.uplink.counts["connects"]
    device.close()
    rogue.run(server.stop(0))
    rogue.run(sessions.close())
    rogue.close()


_READ_AGAIN = "Reloading config"


def turned_away(broker: Mosquitto, identity: Identity, uri: str, folder: Path, name: str) -> None:
    """The broker, once it has read its list again, ends the handshake of the device `name`."""
    log = broker._folder / "log"
    read = log.read_text().count(_READ_AGAIN)
    broker._process.send_signal(signal.SIGHUP)
    until(lambda: log.read_text().count(_READ_AGAIN) > read)
    device = Linked(identity, uri, folder, name)
    assert device.until("waiting")
    device.close()
    assert not device.uplink.counts["connects"]


def test_the_shipped_broker_and_the_bridge_refuse_who_was_revoked(site: Site, tmp_path: Path) -> None:
    """Enrolled: served by MQTT. Revoked: the bridge takes nothing more, though the broker knows nothing of it yet; told
    to read the list again (SIGHUP) the broker does not let it in at all, nor the next one, and goes on with others."""
    identity, other = enrolled(site, tmp_path / "one"), enrolled(site, tmp_path / "two", "car-8")
    certificate, key = site.authority.server(["localhost"], "broker")
    port = free_port()
    config = (SHIPPED / "mosquitto.conf").read_text()
    for shipped, here in {
        "/etc/mosquitto/acl": str(SHIPPED / "acl"),
        "/etc/mosquitto/certs/ca.pem": str(site.authority.ca),
        "/etc/mosquitto/certs/broker.pem": str(certificate),
        "/etc/mosquitto/certs/broker.key": str(key),
        "# crlfile /etc/mosquitto/certs/revoked.pem     # certificates that were revoked; read again on SIGHUP": (
            f"crlfile {site.authority.revocation_list}"
        ),
        "listener 8883": f"listener {port} 127.0.0.1",
    }.items():
        assert shipped in config
        config = config.replace(shipped, here)
    broker = Mosquitto(tmp_path / "broker", f"user {getpass.getuser()}\nlog_type information\n{config}", port=port)
    joined = site.join(port)
    try:
        uri = f"mqtts://localhost:{port}"
        device, neighbour = Linked(identity, uri, tmp_path), Linked(other, uri, tmp_path, "car-8")
        for each in (device, neighbour):
            each.send()
            assert each.delivered()
        site.authority.revoke("car-7")
        until(lambda: site.authority.refuses_device("default", "car-7"))  # the running bridge looks once a second
        device.send()
        assert not device.delivered(1.0)
        assert device.until("revoked")
        device.close()
        turned_away(broker, identity, uri, tmp_path, "car-7")
        neighbour.send()
        assert neighbour.delivered()
        neighbour.close()
        site.authority.revoke("car-8")
        turned_away(broker, other, uri, tmp_path, "car-8")
    finally:
        site.run(joined.stop())
        broker.close()


def test_the_doctor_says_when_a_certificate_runs_out(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ok without one and with one, a warning when it is due, and a failure under another name. `--show` tells, too."""
    monkeypatch.setenv("MIEN_STATE", str(tmp_path))
    assert [one.state for one in check.check(Config(device="car-7"))] == ["ok"]
    assert enroll(["--show"]) == 1
    claim = site.authority.claim("car-7")
    assert enroll([f"mien://{site.desk_at}?claim={claim}"]) == 0
    assert "grpcs://localhost:50051" in capsys.readouterr().out
    assert [one.state for one in check.check(Config(device="car-7"))] == ["ok"]
    assert [one.state for one in check.check(Config(device="car-8"))] == ["fail"]
    site.authority._days = 0.3
    assert enroll([site.desk_at, "--claim", site.authority.claim("car-7")]) == 0
    (found,) = check.check(Config(device="car-7"))
    assert found.state == "warn"
    assert "--renew" in (found.mend or "")


def test_a_second_authority_beside_the_right_one_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who stands in between may show the authority that the claim names, which is no secret, and its own after it."""
    right = Authority(tmp_path / "right", create=True)
    while not base64.b64encode(ssl.PEM_cert_to_DER_cert(right.ca.read_text())).endswith(b"="):
        shutil.rmtree(right.folder)  # reading the first of two ends at the padding
        right = Authority(tmp_path / "right", create=True)
    between, told, loop = Desk(Authority(tmp_path / "between", create=True)), [], Loop()
    own = (tmp_path / "between" / "ca.pem").read_text()

    def answer(line: bytes, shown: bytes | None) -> dict[str, str]:
        asked = json.loads(line)
        told.append(asked["ask"])
        return {"ca": right.ca.read_text() + own} if asked["ask"] == "ca" else {"error": "thank you"}

    monkeypatch.setattr(between, "answer", answer)
    loop.run(between.start("127.0.0.1:0", HOSTS))
    try:
        with pytest.raises(TransportError, match="its certificate is not good"):
            Identity(tmp_path / "device").enroll(f"localhost:{between.port}", right.claim("car-7"))
        assert told == ["ca"], "the claim was given away"
    finally:
        loop.run(between.stop())
        loop.close()


def test_a_disk_that_takes_nothing_is_told_and_ends_no_renewal(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an error of ours: the link then tries again later, and the command says what to mend."""
    identity = enrolled(site, tmp_path / "identity")
    before = identity.path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr("edge.identity.write_private", full)
        with pytest.raises(ConfigError, match="No space left"):
            identity.renew()
    assert identity.path.read_bytes() == before
