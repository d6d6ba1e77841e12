"""`stdout://`: envelopes as JSON lines, each taken at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.outbox import Outbox
from edge.uplink import Uplink
from edge.wire.envelope import Sealer
from edge.wire.json_form import from_json
from tests.sim.wait import until


def test_each_envelope_is_one_line_and_leaves_the_outbox(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is written can be read back as it was."""
    sealer = Sealer("dev-1")
    box = Outbox(tmp_path / "outbox.sqlite")
    uplink = Uplink(box, ["stdout://"], sealer.hello("test"), on_reply=lambda reply: None)
    uplink.start()
    sent = [sealer.turn("turn_end", turn, words="grüß dich\n“yes”", ttl_s=0) for turn in range(3)]
    for envelope in sent:
        box.put(envelope)
    until(lambda: not len(box))
    uplink.stop()
    box.close()
    lines = capsys.readouterr().out.splitlines()
    assert [from_json(line) for line in lines] == sent
