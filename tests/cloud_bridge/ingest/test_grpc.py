"""The gRPC ingest: who may speak, what is refused, and the standard services."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from cloud_bridge.errors import ListenError, SettingError
from cloud_bridge.ingest import grpc as ingest
from cloud_bridge.ingest.base import Tls
from edge.errors import TransportError
from edge.plugin import Uri
from edge.transports import grpc as transport
from edge.transports.base import TlsFiles
from edge.wire import mien_pb2
from edge.wire.check import CONVERSE
from edge.wire.envelope import Sealer
from tests.sim.bridge import Bridge
from tests.sim.certificates import Authority
from tests.sim.links import next_from


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Bridge]:
    bridge = Bridge(tmp_path / "seen.sqlite", tokens={"dev-1": "sesame", "dev-2": "other"})
    yield bridge
    bridge.close()


def hello(device: str = "dev-1", token: str = "sesame") -> mien_pb2.Hello:
    return Sealer(device).hello("test", token)


def uri(bridge: Bridge, scheme: str = "grpc", host: str = "127.0.0.1") -> Uri:
    return Uri.parse(f"{scheme}://{host}:{bridge.port}")


@pytest.mark.parametrize("bad", [hello(token=""), hello(token="other"), hello("dev-3"), mien_pb2.Hello(v=2)])
async def test_who_may_not_speak_is_told_why(bridge: Bridge, bad: mien_pb2.Hello) -> None:
    """A wrong token, another's token, an unknown device, another version: refused before the application hears."""
    with pytest.raises(TransportError, match="refuses this device"):
        await transport.connect(uri(bridge), bad, tls=None)
    assert bridge.app.told == []
    assert bridge.sessions.counts["rejected"] == 1


async def converse(
    bridge: Bridge, packets: list[bytes], enough: Callable[[list[mien_pb2.Downlink]], object] = lambda got: False
) -> tuple[list[mien_pb2.Downlink], grpc.StatusCode]:
    """Send raw packets; what came back until it was enough, and how the stream ended (OK: it did not)."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{bridge.port}") as channel:
        call: Any = channel.stream_stream(CONVERSE, response_deserializer=mien_pb2.Downlink.FromString)()
        got: list[mien_pb2.Downlink] = []
        try:
            for packet in packets:
                await call.write(packet)
            async with asyncio.timeout(20.0):
                while (downlink := await call.read()) is not grpc.aio.EOF:
                    got.append(downlink)
                    if enough(got):
                        return got, grpc.StatusCode.OK
        except (grpc.RpcError, asyncio.InvalidStateError, asyncio.CancelledError):
            pass
        return got, await call.code()


def acked(got: list[mien_pb2.Downlink]) -> list[int]:
    return [seq for downlink in got for seq in downlink.ack.seq]


def greeting() -> bytes:
    return mien_pb2.Uplink(hello=hello()).SerializeToString()


async def test_hostile_packets_end_the_stream_and_reach_nobody(bridge: Bridge) -> None:
    """Random bytes, an oversized packet, an envelope before the hello, nothing at all."""
    rng = random.Random(2)
    for _ in range(10):
        _, code = await converse(bridge, [rng.randbytes(rng.randrange(1, 200))])
        assert code is grpc.StatusCode.INVALID_ARGUMENT
    _, code = await converse(bridge, [mien_pb2.Uplink(envelope=Sealer("dev-1").goodbye()).SerializeToString()])
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert bridge.sessions.counts["malformed"] == 11
    assert bridge.app.told == []
    large = mien_pb2.Uplink(hello=mien_pb2.Hello(v=1, device="dev-1", boot=1, token="x" * 3_000)).SerializeToString()
    _, code = await converse(bridge, [large])
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    _, code = await converse(bridge, [greeting(), b"\x0a" + bytes(70_000)])
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert bridge.app.got == []


async def test_a_batch_is_taken_as_if_each_had_come_alone(bridge: Bridge) -> None:
    """In order, a bad one refused, a double one acknowledged and not taken; what is no envelope is counted."""
    sealer = Sealer("dev-1", boot=9)
    one, bad, two = (sealer.turn("turn_end", 1) for _ in range(3))
    bad.device = "dev-2"
    batch = mien_pb2.Batch(packet=[mien_pb2.Uplink(envelope=e) for e in (one, bad, one)])
    batch.packet.add(envelope=two, after_seq=one.seq)
    batch.packet.add(hello=sealer.hello("again"))
    batch.packet.add()
    first = mien_pb2.Uplink(hello=sealer.hello("test", "sesame")).SerializeToString()
    packets = [first, mien_pb2.Uplink(batch=batch).SerializeToString()]
    got, _ = await converse(bridge, packets, lambda got: len(acked(got)) == 3)
    assert got[0].welcome.batch_bytes > 0
    assert bridge.app.seqs == [1, 3]
    assert sorted(acked(got)) == [1, 1, 3]
    assert [downlink.refused.reason for downlink in got if downlink.HasField("refused")] == ["device"]
    assert bridge.sessions.counts["malformed"] == 2


async def test_a_bad_envelope_is_refused_alone_and_the_good_one_is_taken_once(bridge: Bridge) -> None:
    """Wrong device, wrong version, too large: Refused with the reason; a replayed one is acknowledged, not taken."""
    sealer = Sealer("dev-1", boot=9)
    other, version, large, good = (sealer.turn("turn_end", 1) for _ in range(4))
    other.device, version.v = "dev-2", 2
    large.words = "x" * 1_100
    packets = [mien_pb2.Uplink(envelope=e).SerializeToString() for e in (other, version, large, good, good)]
    first = mien_pb2.Uplink(hello=sealer.hello("test", "sesame")).SerializeToString()
    got, code = await converse(bridge, [first, *packets], lambda got: len(acked(got)) == 2)
    assert code is grpc.StatusCode.OK
    reasons = [d.refused.reason for d in got if d.WhichOneof("body") == "refused"]
    assert reasons == ["device", "version", "size"]
    assert acked(got) == [4, 4]
    assert bridge.app.got == [good]
    assert bridge.sessions.counts["duplicates"] == 1


async def test_an_envelope_that_overtook_is_not_taken(bridge: Bridge) -> None:
    """The one it follows was never seen: Missing, no acknowledgement; in order it is taken."""
    sealer = Sealer("dev-1", boot=9)
    one, two = sealer.turn("turn_end", 1), sealer.turn("turn_end", 2)
    late = mien_pb2.Uplink(envelope=two, after_seq=1).SerializeToString()
    first = mien_pb2.Uplink(hello=sealer.hello("test", "sesame")).SerializeToString()
    got, _ = await converse(bridge, [first, late], lambda got: got[-1].HasField("missing"))
    assert [d.missing.seq for d in got if d.WhichOneof("body") == "missing"] == [2]
    assert bridge.app.got == []
    packets = [first, mien_pb2.Uplink(envelope=one).SerializeToString(), late]
    await converse(bridge, packets, lambda got: set(acked(got)) == {1, 2})
    assert bridge.app.got == [one, two]


async def test_unknown_fields_are_ignored(bridge: Bridge) -> None:
    """A newer device may say more than this bridge knows."""
    more = b"\xba\x3e\x05hello"  # field 999, length-delimited
    envelope = Sealer("dev-1", boot=9).turn("turn_end", 1)
    packet = mien_pb2.Uplink(envelope=envelope).SerializeToString() + more
    await converse(bridge, [greeting() + more, packet], acked)
    assert bridge.app.seqs == [1]


async def test_a_newer_connection_takes_over(bridge: Bridge) -> None:
    """The old, perhaps half-open stream ends; the session goes on."""
    first = hello()
    old = await transport.connect(uri(bridge), first, tls=None)
    new = await transport.connect(uri(bridge), first, tls=None)
    assert new.welcome.session == old.welcome.session
    with pytest.raises(TransportError):
        await next_from(old)
    assert bridge.app.told == ["connected dev-1"]
    other_boot = await transport.connect(uri(bridge), hello(), tls=None)
    assert other_boot.welcome.session != old.welcome.session
    assert bridge.app.told == ["connected dev-1", "disconnected dev-1", "connected dev-1"]
    for each in (old, new, other_boot):
        await each.close()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "pki")


@pytest.fixture
def guarded(authority: Authority) -> Iterator[Bridge]:
    leaf = authority.leaf("bridge")
    bridge = Bridge(tls=Tls(str(leaf.certificate), str(leaf.key), str(authority.ca)))
    yield bridge
    bridge.close()


async def test_mutual_tls_lets_the_named_device_speak(guarded: Bridge, authority: Authority) -> None:
    """Its certificate's common name is its id."""
    leaf = authority.leaf("dev-1")
    tls = TlsFiles(authority.ca, leaf.certificate, leaf.key)
    open_ = await transport.connect_tls(uri(guarded, "grpcs", "localhost"), hello(), tls=tls)
    assert open_.welcome.v == 1
    await open_.close()
    with pytest.raises(TransportError, match="not the name in its certificate"):
        await transport.connect_tls(uri(guarded, "grpcs", "localhost"), hello("dev-2"), tls=tls)


async def test_a_bad_certificate_is_refused(guarded: Bridge, authority: Authority, tmp_path: Path) -> None:
    """None, a stranger's, an expired one; and a device does not trust a stranger's bridge."""
    stranger = Authority(tmp_path / "other", "stranger")
    leaves = [stranger.leaf("dev-1"), authority.leaf("dev-1", days=-1)]
    files = [TlsFiles(authority.ca), *(TlsFiles(authority.ca, leaf.certificate, leaf.key) for leaf in leaves)]
    good = authority.leaf("dev-9")
    files.append(TlsFiles(stranger.ca, good.certificate, good.key))
    for tls in files:
        with pytest.raises(TransportError):
            await transport.connect_tls(uri(guarded, "grpcs", "localhost"), hello(), tls=tls)
    assert guarded.app.told == []


async def test_listening_beyond_this_machine_without_tls_must_be_said(bridge: Bridge) -> None:
    """And a taken port or an unreadable certificate is one clear error."""
    with pytest.raises(SettingError, match="no TLS"):
        await ingest.serve(bridge.sessions, "0.0.0.0:0")
    with pytest.raises(SettingError, match="anybody could speak there"):  # TLS alone tells nobody who speaks
        await ingest.serve(bridge.sessions, "0.0.0.0:0", tls=Tls("cert.pem", "key.pem"))
    with pytest.raises(ListenError, match="taken"):
        await ingest.serve(bridge.sessions, f"127.0.0.1:{bridge.port}")
    with pytest.raises(SettingError, match="cannot be read"):
        await ingest.serve(bridge.sessions, "127.0.0.1:0", tls=Tls("/absent.pem", "/absent.key"))


async def test_health_and_reflection(bridge: Bridge) -> None:
    """Standard tools see that it serves, and what."""

    async def ask() -> AsyncIterator[reflection_pb2.ServerReflectionRequest]:
        yield reflection_pb2.ServerReflectionRequest(list_services="")

    async with grpc.aio.insecure_channel(f"127.0.0.1:{bridge.port}") as channel:
        status = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service="mien.v1.Mien"))
        assert status.status == health_pb2.HealthCheckResponse.SERVING
        answers = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(ask())
        names = [s.name async for a in answers for s in a.list_services_response.service]
    assert "mien.v1.Mien" in names


@pytest.mark.parametrize("end", ["edge.transports.grpc", "cloud_bridge.serve", "benchmarks.link_peer"])
def test_grpc_is_told_how_to_wait_before_it_is_imported(end: str) -> None:
    """Told later it would not listen, and each round trip would cost seven wake-ups more."""
    code = (
        "import importlib, os, sys\n"
        "class Look:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'grpc': print(os.environ.get('GRPC_EXPERIMENTS'))\n"
        "sys.meta_path.insert(0, Look())\n"
        f"importlib.import_module({end!r})\n"
        "import grpc"
    )
    environment = {name: value for name, value in os.environ.items() if name != "GRPC_EXPERIMENTS"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.split() == ["-event_engine_client,-event_engine_listener"]
