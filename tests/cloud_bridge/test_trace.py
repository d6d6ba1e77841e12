"""Traces: one axis for device, link and bridge; a picture; spans; no content."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from cloud_bridge import cli
from cloud_bridge.cost import Price
from cloud_bridge.history import History
from cloud_bridge.ingest.base import Device
from cloud_bridge.plan import Report
from cloud_bridge.stages import link_ms, stages
from cloud_bridge.telemetry import Telemetry

TOLD = {"turn_maybe_ms": 250.0, "turn_end_ms": 400.0, "words_ms": 260.0, "reply_ms": 450.0, "first_sound_ms": 452.0}
MS = {
    "begun": -100, "released": 0, "model_asked": -99, "model_first": 101, "model_sentence": 170, "voice_asked": 171,
    "voice_first": 270, "first_audio": 6, "answer_audio": 272, "done": 900,
}  # fmt: skip
TOKENS = {"input_tokens": 1000, "cached_tokens": 800, "output_tokens": 30}


def test_both_clocks_meet_on_one_axis() -> None:
    """The link's time is what is left between the device's clock and the bridge's, half of it each way."""
    assert link_ms(TOLD, MS) == 44.0
    found = {(one.lane, one.name): one for one in stages(TOLD, MS)}
    assert (found["link", "up"].start_ms, found["link", "up"].end_ms) == (400.0, 422.0)
    assert found["bridge", "first sound sent"].end_ms == 428.0
    assert (found["link", "down"].start_ms, found["link", "down"].end_ms) == (428.0, 450.0)
    assert found["model", "first token"].start_ms == 323.0  # it began before the turn was over
    starts = [one.start_ms for one in stages(TOLD, MS)]
    assert starts == sorted(starts)


def test_no_stage_runs_backwards() -> None:
    """Two ends that measure a few milliseconds apart leave a link of no length, not of a negative one."""
    found = stages({**TOLD, "reply_ms": 401.0}, MS)
    assert link_ms({**TOLD, "reply_ms": 401.0}, MS) == 0.0
    assert all(one.end_ms >= one.start_ms for one in found)


def test_an_opening_that_was_sent_ahead_is_heard_as_the_turn_ends() -> None:
    """The first sound may come before the reply's own: it was there. Where no reply came, it is drawn all the same."""
    for told in ({**TOLD, "first_sound_ms": 402.0}, {"turn_end_ms": 400.0, "first_sound_ms": 402.0}):
        first = next(one for one in stages(told, MS) if (one.lane, one.name) == ("device", "first sound"))
        assert (first.start_ms, first.end_ms) == (400.0, 402.0)


def test_what_is_not_known_is_not_drawn() -> None:
    """Without the device's part there is no link; a stage that lacks one end is absent."""
    assert link_ms({}, MS) is None
    assert {one.lane for one in stages({}, MS)} == {"bridge", "model", "voice"}
    assert stages({}, {"released": 0}) == []


def test_a_turn_is_drawn_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The newest turn as well-formed SVG that names each stage and holds no word that was said; the same as JSON."""
    path = tmp_path / "h.sqlite"
    history = History(path)
    at_s = time.time() - 10
    row = {"outcome": "answered", "tone": "sad", "model": "m", "tokens": TOKENS, "cost": 0.00126, "ms": MS}
    history.add_turn("kitchen", None, at_s - 50, 4, {name: one for name, one in row.items() if name != "tone"})
    history.add_turn("kitchen", 1, at_s, 5, row, words="secretword", answer="secretword too")
    history.add_event("kitchen", 1, at_s + 0.1, "stages", TOLD, turn=5)
    history.close()
    out = tmp_path / "t.svg"
    assert cli.main(["trace", "--history", str(path), "--out", str(out)]) == 0
    text = out.read_text()
    ElementTree.fromstring(text)
    for part in ("Turn 5 of kitchen", "first sound after 452 ms", "first clause", "$0.001260", "link 44 ms both ways"):
        assert part in text
    assert "secretword" not in text + capsys.readouterr().out
    assert cli.main(["trace", "4", "--device", "kitchen", "--history", str(path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["turn"], told["link_ms"]) == (4, None)
    assert "tone" not in told, "how the person was is not kept without their consent"
    assert cli.main(["trace", "4", "--device", "kitchen", "--history", str(path), "--out", str(out)]) == 0
    assert "tone" in text
    assert "tone" not in out.read_text()
    assert cli.main(["trace", "9", "--history", str(path)]) == 2
    assert "turn 9" in capsys.readouterr().err


def test_cost_needs_a_count() -> None:
    """Cached input has its own price; without a count there is no cost, not a cost of nothing."""
    assert Price.parse("3/0.3/15").of(TOKENS) == pytest.approx((200 * 3 + 800 * 0.3 + 30 * 15) / 1e6)
    assert Price.parse("3/0.3/15").of({}) is None


def report() -> Report:
    return Report(
        turn=5, outcome="answered", tone="sad", speculative=True, ms=MS, failure=None, at_s=1000.0, model="m",
        tokens=TOKENS, pieces=31, cost=None,
    )  # fmt: skip


def test_spans_of_one_turn_share_a_trace() -> None:
    """The bridge's spans and the device's, told later, are parts of one trace, at their true times."""
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    telemetry = Telemetry(exporter)
    telemetry.turn(Device("kitchen", 7), report())
    telemetry.heard(Device("kitchen", 7), 5, TOLD, 1000.1)
    telemetry.heard(Device("kitchen", 7), 6, TOLD, 1010.0)
    telemetry.close()
    spans: list[Any] = list(exporter.get_finished_spans())
    names = {span.name for span in spans}
    assert {"device: is over", "model: first token", "voice: first sound", "bridge: first sound sent"} <= names
    assert len({span.context.trace_id for span in spans if span.attributes["mien.turn"] == 5}) == 1
    assert len({span.context.trace_id for span in spans}) == 2
    assert "sad" not in str([span.attributes for span in spans]), "how a person was is not told to a collector"
    token = next(span for span in spans if span.name == "model: first token")
    assert (token.end_time - token.start_time) / 1e6 == pytest.approx(200)
    assert token.end_time / 1e9 == pytest.approx(1000.101)


def test_without_a_collector_nothing_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """No endpoint in the environment: no spans, and no need of the packages."""
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(__import__("sys").modules, "opentelemetry", None)
    telemetry = Telemetry()
    telemetry.turn(Device("kitchen", 7), report())
    telemetry.close()
