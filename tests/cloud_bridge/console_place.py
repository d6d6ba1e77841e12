"""A console on a real port, over a small fleet that lives: for tests and for the pictures in the docs."""

from __future__ import annotations

import asyncio
import math
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from cloud_bridge.console.app import app
from cloud_bridge.history import History
from cloud_bridge.ingest.base import Device
from cloud_bridge.presence import Presence
from cloud_bridge.record import Record
from cloud_bridge.tone import LABELS
from cloud_bridge.web.clients import Client, Clients
from cloud_bridge.web.listen import Listening, listen
from edge.wire import mien_pb2 as pb
from tests.cloud_bridge.mcp.place import Obedient
from tests.sim.bridge import App

TOKEN, READER, STRANGER = "c" * 24, "r" * 24, "s" * 24
NAMES = ("kiosk-berlin", "car-7", "robot-hall-2", "ward-12-bed-3", "car-8", "kiosk-lisbon", "lobby-screen", "desk-4")


@dataclass
class Shown:
    """What a test may touch."""

    presence: Presence
    listening: Listening
    history: History
    wires: dict[str, Obedient]


@asynccontextmanager
async def console() -> AsyncIterator[Shown]:
    """A console without devices; `arrive` brings some."""
    clients = Clients()
    clients.add(TOKEN, Client(name="anna", tenant="acme", may=("control",)))
    clients.add(READER, Client(name="ben", tenant="acme"))
    clients.add(STRANGER, Client(name="mallory", tenant="others", may=("control",)))
    history, presence = History(None), Presence(App())

    listening = await listen(app(presence, history, clients), "127.0.0.1:0", tls=None, secure=True)
    try:
        yield Shown(presence, listening, history, {})
    finally:
        await listening.stop()
        history.close()


FORGETFUL = "lobby-screen"  # whose person did not agree that states are kept


async def arrive(shown: Shown, name: str, tenant: str = "acme") -> Device:
    """A device connects."""
    device = Device(name, 7, tenant=tenant, software="mien 0.1.0")
    shown.wires[name] = Obedient(shown.presence, device)
    await shown.presence.connected(device, shown.wires[name])
    return device


def feeling(at_s: float, seed: int) -> pb.State:
    """A mood that wanders."""
    valence = round(55 * math.sin(at_s / 23 + seed) + 18 * math.sin(at_s / 7 + 2 * seed))
    arousal = round(40 * math.sin(at_s / 31 + 1.7 * seed) + 14 * math.sin(at_s / 5))
    probs = [30, 0, 0, 0, 0, 0, 0, 0]
    probs[(1 if valence > 20 else 3 if valence < -20 and arousal > 10 else 2 if valence < -20 else 0)] += 58
    affect = pb.Affect(probs_pct=probs, valence=valence, arousal=arousal, confidence_pct=62 + seed % 5 * 6)
    state = pb.State(person=1, fused=affect, speaking=False, trend="steady")
    state.attention.on_target = math.sin(at_s / 11 + seed) > -0.7
    state.attention.away_ms = 0 if state.attention.on_target else 2400
    state.drowsiness.level = pb.Drowsiness.TIRED if seed % 4 == 3 else pb.Drowsiness.ALERT_
    if math.sin(at_s / 19 + seed) > 0.86:
        state.incongruence.add(between=pb.Incongruence.WORDS_VOICE, strength_pct=71)
    return state


def described(state: pb.State) -> dict[str, str]:
    """The words for `feeling`, shaped like a device's."""
    away = not state.attention.on_target
    lines = {"visual": f"Looks {LABELS[max(range(8), key=lambda at: state.fused.probs_pct[at])]}: "}
    lines["visual"] += "looking away." if away else "looking at the device."
    if state.incongruence:
        lines["joint"] = "Words and tone do not match."
    return lines


async def sense(shown: Shown, device: Device, at_s: float, seed: int, **fields: object) -> None:
    """One state of a device, as it would come by the link; into the history at `at_s`."""
    kind = fields.pop("kind", pb.STATE)
    state = feeling(at_s, seed)
    envelope = pb.Envelope(
        v=1,
        device=device.id,
        boot=device.boot,
        kind=kind,  # type: ignore[arg-type]
        state=state,
        description=described(state),
        utc_ms=round(at_s * 1000),
        clock_synced=True,
        keep_states=device.id != FORGETFUL,
        **fields,  # type: ignore[arg-type]
    )
    Record(shown.history).envelope(device, envelope)
    if at_s > time.time() - 90:
        shown.presence.note(device, pb.Kind.Name(envelope.kind).lower(), envelope)
        shown.presence.get(device.tenant, device.id).recent[-1] = type(
            shown.presence.get(device.tenant, device.id).recent[-1]
        )(device.tenant, device.id, pb.Kind.Name(envelope.kind).lower(), at_s, envelope.SerializeToString())


TALK = (
    (
        "I am fine, really. It was just a very long day.",
        "A long day can weigh a lot. I'm here if you want to talk.",
        "masking",
    ),
    ("Nobody listened in the meeting.", "That sounds frustrating. What would you have liked them to hear?", "sad"),
    ("That we need more time, not more people.", "That is a clear point. Shall we write it down together?", "plain"),
)


async def live(shown: Shown) -> None:
    """A fleet of eight with ten minutes behind it."""
    now_s = time.time()
    for seed, name in enumerate(NAMES):
        device = await arrive(shown, name)
        shown.presence.get("acme", name).since_s = now_s - 4000 - 300 * seed
        for back in range(600 if seed == 1 else 80, 0, -2):
            await sense(shown, device, now_s - back, seed)
        health = pb.Envelope(
            kind=pb.HEALTH, health=pb.Health(rss_mb=318 + seed, temperature_c=54, dropped={"video": 6})
        )
        shown.presence.note(device, "health", health)
    car = Device("car-7", 7, tenant="acme", software="mien 0.1.0")
    for turn, (words, reply, tone) in enumerate(TALK, 1):
        at_s = now_s - 75 + 22 * turn
        shown.presence.note(car, "turn_end", pb.Envelope(kind=pb.TURN_END, turn=turn, words=words))
        shown.presence.note(car, "reply", {"turn": turn, "chunk": 0, "text": reply, "opening": False, "tone": tone})
        ms = {
            "first_audio": 402 + 9 * turn,
            "answer_text": 655 + 31 * turn,
            "answer_audio": 748 + 40 * turn,
            "done": 2480 + 310 * turn,
        }
        facts = {"turn": turn, "outcome": "answered", "tone": tone, "ms": ms}
        shown.presence.note(car, "answered", facts)
        shown.history.add_turn("car-7", 1, at_s, turn, facts, words=words, answer=reply, tenant="acme")
    fired = pb.Event(name="drowsiness_alert", alert=True)
    await sense(shown, Device("ward-12-bed-3", 7, tenant="acme"), now_s - 20, 3, kind=pb.EVENT, events=[fired])
    await sense(shown, car, now_s - 50, 1, kind=pb.EVENT, events=[pb.Event(name="incongruent")])
    await sense(shown, car, now_s - 320, 1, kind=pb.EVENT, events=[pb.Event(name="attention_lost")])
    shown.history.add_event("car-7", None, now_s - 590, "link", {"state": "connected"}, tenant="acme")
    shown.history.add_event(
        "car-7", None, now_s - 400, "ordered", {"what": "rule", "by": "anna", "done": True, "reason": ""}, tenant="acme"
    )
    await shown.presence.disconnected(Device("desk-4", 7, tenant="acme", software="mien 0.1.0"))
    shown.history.flush()


async def main() -> None:
    """Serve until killed; the address is printed."""
    async with console() as shown:
        await live(shown)
        print(f"{shown.listening.address}/?device=car-7#token={TOKEN}", flush=True)
        while True:
            await asyncio.sleep(1)
            for seed, name in enumerate(NAMES[:-1]):
                device = Device(name, 7, tenant="acme", software="mien 0.1.0")
                await sense(shown, device, time.time(), seed)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
