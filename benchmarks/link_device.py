"""The link benchmark's device, which imports only what a device does: `python -m benchmarks.link_device ROLE …`."""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from edge.errors import OutboxFull
from edge.outbox import Outbox
from edge.types import Affect, Description, Event, PersonState
from edge.uplink import Uplink
from edge.wire import mien_pb2
from edge.wire.backoff import Backoff
from edge.wire.envelope import Sealer

FLEETING_S = 0.5  # ttl of an envelope that is to expire


def sample(sealer: Sealer, *, alert: bool = False, ttl_s: float = 0) -> mien_pb2.Envelope:
    """A typical envelope: a whole state with its description; as an event where it is to be an alert."""
    probs = {"neutral": 0.1, "happy": 0.6, "sad": 0.1, "angry": 0.2}
    affect = Affect(
        probs=probs, label="happy", valence=0.4, arousal=0.3, confidence=0.7, unclear=False, age_ms=40, derived=True
    )
    state = PersonState(person=1, t_s=0.0, turn=3, speaking=True, face=affect, voice=affect, fused=affect)
    lines = Description(
        person=1, t_s=0.0, turn=3, audio="Sounds tense, speaks fast.", visual="Smiles, looks at the device.", joint=None
    )
    if alert:
        return sealer.events([Event(t_s=0.0, name="drowsy", priority="alert")], state=state, ttl_s=0)
    return sealer.turn("turn_end", 3, state=state, description=lines, words="that is fine", language="en", ttl_s=ttl_s)


def device(
    outbox: str,
    uri: str,
    count: str,
    pause_s: str,
    seed: str,
    *,
    fleeting: float = 0.0,
    at: Callable[[int], None] = lambda left: None,
    ack_s: float = 5.0,
) -> None:
    """Puts `count` envelopes and says each one's name once put() returned; then waits until all are acknowledged and
    says `drained`. A tenth are alerts. After a share `fleeting` of them it puts another one, of which nothing is said:
    it expires after FLEETING_S. `at` is called with how many are left."""
    rng = random.Random(int(seed))  # noqa: S311
    box = Outbox(Path(outbox))
    sealer = Sealer("bench")
    uplink = Uplink(
        box, [uri], sealer.hello("bench"), on_reply=lambda reply: None, backoff=Backoff(0.05, 0.5), ack_s=ack_s
    )
    uplink.start()
    left = int(count)
    while left:
        envelope = sample(sealer, alert=rng.random() < 0.1)
        try:
            box.put(envelope)
        except OutboxFull:
            time.sleep(0.05)
            continue
        left -= 1
        at(left)
        print(f"{envelope.boot:016x} {envelope.seq} {envelope.priority}", flush=True)
        if rng.random() < fleeting:
            box.put(sample(sealer, ttl_s=FLEETING_S))
        time.sleep(float(pause_s) * rng.random())
    while len(box):
        time.sleep(0.02)
    print("drained", flush=True)
    uplink.stop(0)
    box.close()


def weigh(outbox: str, uri: str) -> None:
    """A device that sends 200 envelopes to `uri` (`none`: to nobody). Says `ready RSS`, in MB."""
    box, sealer = Outbox(Path(outbox)), Sealer("bench")
    uplink = None
    if uri != "none":
        uplink = Uplink(box, [uri], sealer.hello("bench"), on_reply=lambda reply: None)
        uplink.start()
    for _ in range(200):
        box.put(sample(sealer))
    while uplink is not None and len(box):
        time.sleep(0.01)
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    print(f"ready {int(line.split()[1]) / 1_024:.1f}", flush=True)
    threading.Event().wait()


def end_with_parent() -> None:
    """The benchmark holds our standard input open as long as it lives."""
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=end_with_parent, daemon=True).start()
    roles: dict[str, Callable[..., None]] = {
        "device": device,
        "fleeting_device": partial(device, fleeting=0.3),
        "weigh": weigh,
    }
    roles[sys.argv[1]](*sys.argv[2:])
