"""Orders from the bridge: done or refused by the device, and answered either way."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cloud_bridge.ingest.base import Link
from edge.config import Config
from edge.errors import ConfigError
from edge.loop import Loop
from edge.rules import Rules
from edge.senses import Senses
from edge.wire import mien_pb2
from tests.sim.bridge import Bridge
from tests.sim.wait import until

RULE = '[[rule]]\nname = "looks_away"\nwhen = "attention.away_s > 1"\n'


def test_a_rule_is_added_and_then_put_in_the_place_of_the_old_one() -> None:
    """One name, one rule."""
    rules = Rules.load(None)
    before = len(rules.names)
    assert rules.put(RULE) == "looks_away"
    assert rules.put(RULE.replace("> 1", "> 2")) == "looks_away"
    assert len(rules.names) == before + 1


@pytest.mark.parametrize(
    "text", ["", "rule", "x = " + "[" * 5000, RULE + RULE, 'name = "x"\nwhen = "no.such > 1"', "[[rule]]\nname = 'x'"]
)
def test_what_is_no_rule_is_refused_and_the_rules_stay(text: str) -> None:
    """The bridge's text is checked like a file."""
    rules = Rules.load(None)
    before = rules.names
    gc.collect()  # at the recursion limit, which one of them reaches, finalizers of earlier tests' garbage would fail
    with pytest.raises(ConfigError):
        rules.put(text)
    assert rules.names == before


def wait_for(bridge: Bridge, number: int) -> dict[str, str]:
    end_s = time.monotonic() + 20
    while time.monotonic() < end_s:
        for envelope in list(bridge.app.got):
            for event in envelope.events:
                if event.name == "order" and event.arguments.get("id") == str(number):
                    return dict(event.arguments)
        time.sleep(0.02)
    raise AssertionError(f"order {number} was not answered")


@pytest.fixture
def bridge() -> Bridge:
    return Bridge()


@contextmanager
def device_of(bridge: Bridge, folder: Path, **changes: object) -> Iterator[Link]:
    """The bridge's link to a device at work; both end with it."""
    config = Config().updated(
        device="car-7",
        sensors=["synthetic://?script=neutral"],
        outputs=[],
        perceive={"words": False},
        link={"bridges": [f"grpc://127.0.0.1:{bridge.port}"], "outbox": folder / "outbox.sqlite"},
        **changes,
    )
    loop = Loop(config)
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        until(lambda: "car-7" in bridge.app.links)
        yield bridge.app.links["car-7"]
    finally:
        loop.stop()
        thread.join(20)
        bridge.close()


def test_a_device_obeys_refuses_and_tells(bridge: Bridge, tmp_path: Path) -> None:
    """Over the real link: mute, a rule, a bad rule, and an order of a later version."""
    with device_of(bridge, tmp_path) as link:
        bridge.run(link.command(mien_pb2.Command(id=1, mute=True)))
        assert wait_for(bridge, 1) == {"id": "1", "done": "true", "muted": "true"}
        bridge.run(link.command(mien_pb2.Command(id=2, rule=RULE)))
        assert wait_for(bridge, 2) == {"id": "2", "done": "true", "rule": "looks_away"}
        bridge.run(link.command(mien_pb2.Command(id=3, rule="nonsense")))
        assert wait_for(bridge, 3)["done"] == "false"
        bridge.run(link.command(mien_pb2.Command(id=4)))
        assert "update" in wait_for(bridge, 4)["reason"]


def test_a_bridge_cannot_undo_what_the_person_withdrew(bridge: Bridge, tmp_path: Path) -> None:
    """Perception that is off by the settings or by the person's word is not started from afar."""
    with device_of(bridge, tmp_path, purpose={"mode": "off"}) as link:
        bridge.run(link.command(mien_pb2.Command(id=1, mute=False)))
        told = wait_for(bridge, 1)
        assert told["done"] == "false"
        assert "stays off" in told["reason"]


def test_a_flood_of_orders_is_answered_and_does_not_pile_up(
    bridge: Bridge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One takes its time: so many wait, the others are told that too many do; afterwards orders are obeyed again."""
    go = threading.Event()
    monkeypatch.setattr(Senses, "mute", lambda _self, muted: go.wait(20))
    with device_of(bridge, tmp_path) as link:
        for number in range(1, 31):
            bridge.run(link.command(mien_pb2.Command(id=number, mute=True)))
        assert "wait already" in wait_for(bridge, 30)["reason"]
        go.set()
        assert wait_for(bridge, 1)["done"] == "true"
        bridge.run(link.command(mien_pb2.Command(id=31, mute=True)))
        assert wait_for(bridge, 31)["done"] == "true"
