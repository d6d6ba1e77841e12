"""The composition, run: its programs with its flags, its configuration files and its secrets, in no container."""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from benchmarks.fleet_processes import simulated_model
from benchmarks.link_faults import free_port
from edge.plugin import Uri
from edge.transports import grpc, mqtt
from edge.transports.base import TlsFiles, Transport
from edge.wire import mien_pb2
from edge.wire.envelope import Sealer
from edge.wire.mqtt import Mqtt, MqttError
from tests.deploy.test_fleet_files import DEPLOY, compose
from tests.sim.certificates import Authority
from tests.sim.links import downlinks
from tests.sim.mosquitto import Mosquitto
from tests.sim.wait import until

TOKENS = {"car-1": "a token of sixteen or more", "car-2": "another token, as long"}


def listens(port: int) -> bool:
    """Whether somebody does."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


class Composition:
    """The two bridges, the broker and the store; the language model is simulated."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.authority = Authority(folder / "tls")
        leaf = self.authority.leaf("localhost")
        self.broker = free_port()
        self.grpc: dict[str, int] = {}
        found, redis = compose()["services"], free_port()
        files = {
            "/tls/cert.pem": leaf.certificate,
            "/tls/key.pem": leaf.key,
            "/run/secrets/device_tokens": self._secret(folder / "device_tokens.json", json.dumps(TOKENS)),
            "/run/secrets/clients": self._secret(
                folder / "clients.json", json.dumps({"ops": {"token": "0123456789abcdef0", "may": ["read"]}})
            ),
            "/run/secrets/broker_password": self._secret(folder / "broker_password", "the bridges' password"),
            "/mosquitto/passwords": self._passwords(folder / "passwords"),
            "/mosquitto/acl": DEPLOY / "compose" / "acl",
            "redis://redis:6379": f"redis://127.0.0.1:{redis}",
            "@broker": f"@127.0.0.1:{self.broker}",
            "${MIEN_NAME:-bridge.example}": "localhost",
            "listener 1883": f"listener {self.broker} 127.0.0.1",
        }

        def here(text: str) -> str:
            for there, instead in files.items():
                text = text.replace(there, str(instead))
            return re.sub(r"0\.0\.0\.0:\d+", lambda _: f"127.0.0.1:{free_port()}", text)

        store = shlex.split(found["redis"]["command"].replace("valkey-server", "redis-server"))
        store += ["--port", str(redis), "--dir", str(folder), "--bind", "127.0.0.1"]
        self._start(stack, store, dict(os.environ))
        until(lambda: listens(redis))
        config = here((DEPLOY / "compose" / "mosquitto.conf").read_text())
        config += f"user {getpass.getuser()}\n"  # else it gives up the rights to read what is ours
        stack.callback(Mosquitto(folder / "broker", config, port=self.broker).close)
        model = stack.enter_context(simulated_model())
        for name in ("bridge-a", "bridge-b"):
            service = found[name]
            more = {key: here(value) for key, value in service["environment"].items()}
            more |= {"MIEN_STATE": str(folder / name), "MIEN_LLM": f"openai:simulated@{model}", "MIEN_TTS": "none"}
            words = shlex.split(here(service["command"]))
            assert words[:2] == ["mien", "bridge"]
            command = [sys.executable, "-m", "cloud_bridge.cli", *words[2:]]
            process = self._start(stack, command, {**os.environ, **more})
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, "the bridge did not begin"
            told = json.loads(line)
            assert told["event"] == "ready"
            self.grpc[name] = int(told["listen"].rpartition(":")[2])

    def _start(self, stack: ExitStack, command: list[str], environment: dict[str, str]) -> subprocess.Popen[str]:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)

        def end() -> None:
            process.terminate()
            process.communicate(timeout=30)

        stack.callback(end)
        return process

    def _secret(self, path: Path, text: str) -> Path:
        path.write_text(text)
        path.chmod(0o600)
        return path

    def _passwords(self, path: Path) -> Path:
        program = shutil.which("mosquitto_passwd")
        if program is None or shutil.which("redis-server") is None:
            pytest.skip("install Debian's mosquitto and redis-server")
        users = {f"default/{device}": token for device, token in TOKENS.items()}
        users |= {"bridge-a": "the bridges' password", "bridge-b": "the bridges' password"}
        path.touch(0o600)
        for user, password in users.items():
            subprocess.run([program, "-b", path, user, password], check=True, capture_output=True)
        return path


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Composition]:
    with ExitStack() as stack:
        yield Composition(tmp_path, stack)


async def answered(link: Transport, sealer: Sealer, turn: int) -> str:
    """Say something; what was answered, once it was acknowledged, too."""
    envelope = sealer.turn("turn_end", turn, words="it was a long day")
    await link.send(mien_pb2.Uplink(envelope=envelope))
    said, acked, final = "", False, False
    async with asyncio.timeout(30):
        async for down in downlinks(link):
            acked = acked or envelope.seq in down.ack.seq
            said += down.reply.text.text
            final = final or down.reply.final
            if acked and final:
                return said
    raise AssertionError("the link ended")


async def test_devices_are_answered_by_either_bridge_and_through_the_broker(running: Composition) -> None:
    """By gRPC over TLS with a token, by MQTT with a password; and a device that listens for another hears nothing."""
    tls = TlsFiles(running.authority.ca)
    thief = Mqtt("127.0.0.1", running.broker, "car-2", username="default/car-2", password=TOKENS["car-2"])
    await thief.connect()
    with suppress(MqttError):
        await thief.subscribe("mien/v1/#")
    for boot, port in enumerate(running.grpc.values(), 1):
        sealer = Sealer("car-1", boot=boot)
        address = Uri.parse(f"grpcs://localhost:{port}")
        link: Transport = await grpc.connect_tls(address, sealer.hello("test", TOKENS["car-1"]), tls=tls)
        assert "a lot for one day" in await answered(link, sealer, 1)
        await link.close()
    sealer = Sealer("car-1", boot=9)
    address = Uri.parse(f"mqtt://default%2Fcar-1@127.0.0.1:{running.broker}")
    link = await mqtt.connect(address, sealer.hello("test", TOKENS["car-1"]), tls=None)
    assert "a lot for one day" in await answered(link, sealer, 1)
    await link.close()
    assert not thief._messages
    await thief.close()
