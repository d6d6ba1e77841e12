"""Handing over: after enough turns in distress, by web, program or broker; and never what was said."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from benchmarks.simulated_cloud import SimulatedModel
from cloud_bridge import handover
from cloud_bridge.conversation import Conversation
from cloud_bridge.errors import SettingError
from cloud_bridge.handover import Handover
from cloud_bridge.ingest.base import Device
from cloud_bridge.plan import Tools
from edge.wire import mien_pb2 as pb
from tests.cloud_bridge.test_conversation import RecordingLink
from tests.sim.wait import soon

DEVICE = Device("kitchen", 1)


class Ear:
    def __init__(self) -> None:
        self.told: list[Mapping[str, Any]] = []
        self.came = asyncio.Event()

    def __call__(self, device: Device, person: int, what: Mapping[str, Any]) -> None:
        self.told.append(what)
        self.came.set()


def program(tmp_path: Path, body: str) -> str:
    file = tmp_path / "tell.sh"
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o700)
    return f"exec:{file}"


async def test_a_program_is_told_after_three_turns_in_distress(tmp_path: Path) -> None:
    """Through the conversation itself: the third turn in a row hands over, once, without the words."""
    ear = Ear()
    target = program(tmp_path, f"cat > {tmp_path}/got")
    to_people = Handover(target, 3, told=ear)
    talk = Conversation(Tools(SimulatedModel(0.0, 0.0), None), lambda *_: None, handover=to_people)
    link = RecordingLink()
    await talk.connected(DEVICE, link)
    for turn in range(1, 6):
        state = pb.State(person=2, cues_pct={"distress": 90})
        await talk.received(DEVICE, pb.Envelope(boot=1, turn=turn, kind=pb.TURN_END, words="a secret", state=state))
        await asyncio.wait_for(link.final.wait(), 10)
        link.final.clear()
        await asyncio.sleep(0.01)
    await asyncio.wait_for(ear.came.wait(), 10)
    got = json.loads((tmp_path / "got").read_text())
    assert (got["device"], got["person"], got["turns"], got["reason"]) == ("kitchen", 2, 3, "distress")
    assert "secret" not in json.dumps(got)
    assert [one["delivered"] for one in ear.told] == [True]
    await to_people.close()


async def test_calm_in_between_counts_from_the_start(tmp_path: Path) -> None:
    """Only turns in a row count, for each person alone."""
    to_people = Handover(program(tmp_path, "true"), 2)
    turns = [(1, "distress"), (1, "plain"), (2, "distress"), (1, "distress"), (1, "distress")]
    assert [to_people.turn(DEVICE, who, n, tone) for n, (who, tone) in enumerate(turns)] == [False] * 4 + [True]
    await to_people.close()


async def test_a_web_hook_is_tried_again_and_shown_its_token(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A first answer of 503 is not the end; the bearer token is sent; a target that stays broken is told as such."""
    monkeypatch.setattr(handover, "_TRIES_S", (0.0, 0.0))
    got: list[tuple[str | None, dict[str, Any]]] = []
    codes = [503, 200, 500, 500]

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            got.append((self.headers["authorization"], body))
            self.send_response(codes.pop(0))
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    ear = Ear()
    try:
        to_people = Handover(f"http://127.0.0.1:{server.server_port}/hook-secret", 1, token="sesame", told=ear)
        for person in (1, 2):
            assert to_people.turn(DEVICE, person, 1, "distress")
            await asyncio.wait_for(ear.came.wait(), 10)
            ear.came.clear()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert [one["delivered"] for one in ear.told] == [True, False]
    assert "500" in ear.told[1]["failure"]
    assert "hook-secret" not in f"{ear.told}{caplog.text}", "the address of a hook is its key"
    assert {token for token, _ in got} == {"Bearer sesame"}
    await to_people.close()


@pytest.mark.parametrize("target", ["ftp://x", "mqtt://broker", "nothing", "mqtts://bridge:secret@broker/help"])
def test_a_target_of_no_known_form_is_refused(target: str) -> None:
    """At the start, not when somebody needs help."""
    with pytest.raises(SettingError, match="handover") as refused:
        Handover(target, 3)
    assert "secret" not in str(refused.value)


async def test_a_program_that_takes_too_long_is_ended_with_what_it_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else each try leaves one more behind, and the message may still go out after it was told as failed."""
    monkeypatch.setattr(handover, "_TRIES_S", (0.0,))
    monkeypatch.setattr(handover, "_EACH_S", 0.3)
    ear = Ear()
    begun = tmp_path / "begun"
    to_people = Handover(program(tmp_path, f"sh -c 'echo $$ > {begun}; sleep 60'; true"), 1, told=ear)
    assert to_people.turn(DEVICE, 1, 1, "distress")
    await asyncio.wait_for(ear.came.wait(), 10)
    assert [one["delivered"] for one in ear.told] == [False]
    if begun.exists() and (pid := begun.read_text().strip()):  # else it was ended before it began anything
        await soon(lambda: not Path(f"/proc/{pid}/cwd").exists())  # nor has one that nobody took leave of yet
    await to_people.close()
