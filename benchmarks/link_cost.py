"""What the link costs a device: memory of each transport, and what the outbox writes to the flash."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.link_device import sample
from benchmarks.link_faults import Mosquitto, free_port, open_config
from benchmarks.link_speed import peer, ready
from edge.outbox import Outbox
from edge.uplink import Uplink
from edge.wire.backoff import Backoff
from edge.wire.envelope import Sealer

# An hour of a device before which somebody talks all the time: a state every two seconds (the default), two turns a
# minute of three envelopes each, a health report every half minute. Alerts are kept before they are sent.
_OFFERED_PER_H = 1_800 + 360 + 120
_ALERTS_PER_H = 6


def memory(folder: Path) -> dict[str, float]:
    """RSS in MB that each transport adds to a device with outbox and uplink, after 200 envelopes. Raises ToolAbsent."""
    folder.mkdir()
    grpc_port, broker_port = free_port(), free_port()
    broker = Mosquitto(folder / "broker", open_config(broker_port), port=broker_port)
    bridge = peer("bridge", folder / "seen.sqlite", grpc_port, broker_port)
    ready(bridge)
    found = {}
    try:
        for name, uri in {
            "none": "none",
            "grpc": f"grpc://127.0.0.1:{grpc_port}",
            "mqtt": f"mqtt://127.0.0.1:{broker_port}",
        }.items():
            process = peer("weigh", folder / f"{name}.sqlite", uri)
            found[name] = float(ready(process)[0])
            process.kill()
            process.communicate()
    finally:
        bridge.kill()
        bridge.communicate()
        broker.close()
    added = {f"{name}_rss_added_mb": mb - found["none"] for name, mb in found.items() if name != "none"}
    return {"link_without_transport_rss_mb": found["none"], **added}


def writes(folder: Path) -> dict[str, float]:
    """Bytes that the outbox writes, each envelope in a commit of its own as at the pace of a real device, and what that
    makes in an hour: without a link, and with one."""
    folder.mkdir()
    sealer = Sealer("bench")
    box = Outbox(folder / "cut.sqlite", 16 << 20)
    for _ in range(300):  # the file has its usual shape then
        box.put(sample(sealer))
    before, count = _written(), 600
    for _ in range(count):
        box.put(sample(sealer))
    per_put = (_written() - before) / count
    box.close()
    online = _online(folder)
    return {
        "outbox_put_bytes": per_put,
        "outbox_cut_mb_per_h": per_put * (_OFFERED_PER_H + _ALERTS_PER_H) / 1e6,
        "outbox_online_mb_per_h": (online * _OFFERED_PER_H + 2 * per_put * _ALERTS_PER_H) / 1e6,
    }


def _online(folder: Path) -> float:
    """Bytes written for an envelope that a bridge takes at once."""
    bridge = peer("bridge", folder / "seen.sqlite", port := free_port(), 0)
    ready(bridge)
    box, sealer = Outbox(folder / "online.sqlite"), Sealer("bench")
    uplink = Uplink(
        box, [f"grpc://127.0.0.1:{port}"], sealer.hello("b"), on_reply=lambda reply: None, backoff=Backoff(0.05, 0.5)
    )
    uplink.start()
    try:
        while uplink.state.name != "online":
            time.sleep(0.01)
        before, count = _written(), 100
        for _ in range(count):
            box.offer(sample(sealer)).result(30)
        return (_written() - before) / count
    finally:
        uplink.stop(0)
        box.close()
        bridge.kill()
        bridge.communicate()


def _written() -> int:
    """Bytes that this process made the kernel write to a disk so far, in whole pages; 0 where files lie in memory."""
    lines = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(lines["write_bytes"])
