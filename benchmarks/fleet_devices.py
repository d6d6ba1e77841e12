"""Many simulated devices in one process, on the real wire: `python -m benchmarks.fleet_devices …`; used by `fleet`.

They begin once all of them are welcomed: how long a fleet takes to come is another question. Each sends an envelope a
second, some of them the end of a turn, keeps it until it is acknowledged, and when its bridge is gone turns to the next
one, with the real back-off, and sends again what was not acknowledged.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import random
import sys
import time
from collections.abc import Sequence

from benchmarks.fleet_wire import Stream
from cloud_bridge.engine import allow_files, event_loop
from edge.wire import mien_pb2 as pb
from edge.wire.backoff import Backoff
from edge.wire.check import new_id

DRAIN_S = 20.0  # after the last envelope, how long answers and acknowledgements are waited for
WINDOW_S = 10.0  # acknowledgements are told by the time of their envelope, in pieces of this length
CONNECTS_PER_S = 400  # of all processes together
REST_S = 2.0  # for the other processes' devices, too
_CONNECT_S = 120.0
_LAG_S = 0.01  # how late this process itself is is looked at so often
_STATE = pb.State(
    person=1,
    speaking=False,
    voice=pb.Affect(probs_pct=[20, 10, 40, 30], valence=-40, arousal=30, confidence_pct=70),
    fused=pb.Affect(probs_pct=[20, 10, 40, 20, 5, 2, 2, 1], valence=-40, arousal=30, confidence_pct=70),
    attention=pb.Attention(head_yaw_deg=3, head_pitch_deg=-4, on_target=True),
    trend="steady",
)


class Device:
    """One device. `acks`: when an envelope was sent (monotonic, s), and how long until its acknowledgement (ms);
    `gaps_s`: from a cut to the next acknowledgement."""

    def __init__(self, name: str, bridges: Sequence[str], turn_every: int) -> None:
        self.acks: list[tuple[float, float]] = []
        self.welcomed = asyncio.Event()
        self.gaps_s: list[float] = []
        self.turns: dict[int, bool] = {}  # turn → answered
        self.doubled = 0
        self._name, self._bridges, self._turn_every = name, bridges, turn_every
        self._boot, self._seq, self._turn = new_id(), 0, 0
        self._opening: Stream
        self._waiting: dict[int, tuple[float, bytes]] = {}  # seq → (sent, packet)
        self._stream: Stream | None = None  # once it was welcomed
        self._cut_s: float | None = None
        self._at = random.randrange(len(bridges))  # noqa: S311
        self._linking: asyncio.Task[None]
        self._phase = random.randrange(turn_every)  # noqa: S311

    @property
    def unacknowledged(self) -> int:
        """Envelopes that no bridge acknowledged yet."""
        return len(self._waiting)

    def connect(self) -> None:
        """Begin to keep a connection."""
        self._linking = asyncio.create_task(self._link())

    async def run(self, begin_s: float, end_s: float) -> None:
        """Live from `begin_s` to `end_s`, then wait for what is open, and hang up."""
        at_s = begin_s + random.random()  # noqa: S311
        while at_s < end_s:
            await asyncio.sleep(max(0.0, at_s - time.monotonic()))
            self._tell()
            at_s += 1.0
        until_s = time.monotonic() + DRAIN_S
        while time.monotonic() < until_s and (self._waiting or not all(self.turns.values())):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        self._linking.cancel()
        await asyncio.gather(self._linking, return_exceptions=True)

    def _tell(self) -> None:
        self._seq += 1
        ends = (self._seq + self._phase) % self._turn_every == 0
        envelope = pb.Envelope(
            v=1, device=self._name, boot=self._boot, seq=self._seq, kind=pb.STATE, priority=pb.NORMAL, state=_STATE,
            keep_states=True,  # so that the history is written, too
        )  # fmt: skip
        if ends:
            self._turn += 1
            self.turns[self._turn] = False
            envelope.kind, envelope.turn, envelope.words = pb.TURN_END, self._turn, "it was a long day"
        packet = pb.Uplink(envelope=envelope).SerializeToString()
        self._waiting[self._seq] = (time.monotonic(), packet)
        if self._stream is not None:
            self._stream.write(packet)

    async def _link(self) -> None:
        backoff = Backoff()
        while True:
            began_s = time.monotonic()
            with contextlib.suppress(OSError):
                await self._converse(self._bridges[self._at % len(self._bridges)])
            self._stream = None
            if self._cut_s is None:
                self._cut_s = time.monotonic()
            self._at += 1
            await asyncio.sleep(backoff.next_s(time.monotonic() - began_s))

    async def _converse(self, bridge: str) -> None:
        host, _, port = bridge.rpartition(":")
        loop = asyncio.get_running_loop()
        _, stream = await loop.create_connection(lambda: Stream(bridge, self._take), host, int(port))
        self._opening = stream
        heard = max((turn for turn, done in self.turns.items() if done), default=0)
        hello = pb.Hello(v=1, device=self._name, boot=self._boot, software="simulated", heard_turn=heard)
        stream.write(pb.Uplink(hello=hello).SerializeToString())
        try:
            await stream.ended
        finally:
            stream.close()

    def _begin(self) -> None:
        """The bridge said welcome: send what no bridge acknowledged."""
        self.welcomed.set()
        for _, packet in list(self._waiting.values()):
            self._opening.write(packet)
        self._stream = self._opening

    def _take(self, message: bytes) -> None:
        down = pb.Downlink.FromString(message)
        now_s = time.monotonic()
        if down.HasField("welcome"):
            self._begin()
        elif down.HasField("ack"):
            if self._cut_s is not None:
                self.gaps_s.append(now_s - self._cut_s)
                self._cut_s = None
            for seq in down.ack.seq:
                if (sent := self._waiting.pop(seq, None)) is not None:
                    self.acks.append((sent[0], (now_s - sent[0]) * 1000))
        elif down.HasField("reply") and down.reply.final and down.reply.turn in self.turns:
            self.doubled += self.turns[down.reply.turn]
            self.turns[down.reply.turn] = True


class _Lag:
    """How late this process wakes up: an acknowledgement cannot be seen earlier, so a wait of this length is not the
    bridge's."""

    def __init__(self) -> None:
        self.ms: list[float] = []
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            due_s = time.monotonic() + _LAG_S
            await asyncio.sleep(_LAG_S)
            self.ms.append(round((time.monotonic() - due_s) * 1000, 2))

    def end(self) -> list[float]:
        """All of them, sorted."""
        self._task.cancel()
        return sorted(self.ms)


async def live(options: argparse.Namespace) -> dict[str, object]:
    """All devices of this process. `ack_ms`: in windows of `WINDOW_S` by the time of sending, each sorted.
    `sender_core`: how busy this process was, of one core: near 1 it is the limit."""
    devices = [
        Device(f"{options.prefix}-{number}", options.bridges.split(","), options.turn_every)
        for number in range(options.devices)
    ]
    for device in devices:
        device.connect()
        await asyncio.sleep(1 / options.connects_per_s)
    async with asyncio.timeout(_CONNECT_S):
        for device in devices:
            await device.welcomed.wait()
    await asyncio.sleep(REST_S)
    gc.collect()
    gc.freeze()
    gc.disable()  # for some minutes: this process must not be what is measured
    began_s, used_s = time.monotonic(), time.process_time()
    end_s = began_s + options.seconds
    lag = _Lag()
    await asyncio.gather(*(device.run(began_s, end_s) for device in devices))
    windows: list[list[float]] = [[] for _ in range(int(options.seconds // WINDOW_S) + 1)]
    for device in devices:
        for sent_s, ms in device.acks:
            windows[int((sent_s - began_s) // WINDOW_S)].append(round(ms, 2))
    return {
        "ack_ms": [sorted(window) for window in windows],
        "lag_ms": lag.end(),
        "gaps_s": [round(one, 3) for device in devices for one in device.gaps_s],
        "sender_core": round((time.process_time() - used_s) / (time.monotonic() - began_s), 3),
        "turns": sum(len(device.turns) for device in devices),
        "lost": sum(not done for device in devices for done in device.turns.values()),
        "answered_twice": sum(device.doubled for device in devices),
        "unacknowledged": sum(device.unacknowledged for device in devices),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run, and print what was measured as one line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bridges", required=True)
    parser.add_argument("--prefix", default="device")
    parser.add_argument("--devices", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--turn-every", type=int, default=60)
    parser.add_argument("--connects-per-s", type=float, default=CONNECTS_PER_S)
    allow_files()
    with asyncio.Runner(loop_factory=event_loop()) as runner:
        print(json.dumps(runner.run(live(parser.parse_args(argv)))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
