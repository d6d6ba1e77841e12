"""Two bridges at one broker, one of them killed with SIGKILL: what the real device's link loses, and how long it waits.

Bridges, Mosquitto, Redis, and the devices' outbox and uplink are the real ones; the language model is simulated.
"""

from __future__ import annotations

import math
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

from benchmarks.fleet_processes import bridge_process
from benchmarks.link_faults import Mosquitto, Redis, free_port
from edge.outbox import Outbox
from edge.uplink import Uplink
from edge.wire import mien_pb2
from edge.wire.envelope import Sealer

_TURN_EVERY = 5  # envelopes, one of which each device sends a second
_TTL_S = 300.0  # nothing expires here: what is lost is lost
_CONNECT_S = 60.0
_DRAIN_S = 30.0
_STEP_S = 0.01


class _Outbox(Outbox):
    """Tells when each envelope was acknowledged."""

    def __init__(self, path: Path) -> None:
        self.acked_s: dict[int, float] = {}
        super().__init__(path)

    def done(self, boot: int, seqs: Iterable[int], *, why: str = "acked") -> None:
        """See `Outbox`."""
        numbers = list(seqs)
        if why == "acked":
            self.acked_s.update(dict.fromkeys(numbers, time.monotonic()))
        super().done(boot, numbers, why=why)


class _Device:
    """One device, with the link that devices have."""

    def __init__(self, folder: Path, number: int, port: int) -> None:
        self.answers: Counter[int] = Counter()  # turn → how often its answer came to its end
        self.turns = 0
        self.box = _Outbox(folder / f"{number}.sqlite")
        self._sealer = Sealer(f"dev-{number}")
        hello = self._sealer.hello("simulated")
        self.link = Uplink(self.box, [f"mqtt://127.0.0.1:{port}"], hello, on_reply=self._heard)
        self.link.start()
        self._put_s: dict[int, float] = {}

    def tell(self) -> None:
        """Send one envelope: now and then the end of a turn."""
        if len(self._put_s) % _TURN_EVERY == _TURN_EVERY - 1:
            self.turns += 1
            envelope = self._sealer.turn("turn_end", self.turns, words="it was a long day", ttl_s=_TTL_S)
        else:
            envelope = self._sealer.turn("speech_start", self.turns + 1, ttl_s=_TTL_S)
        self._put_s[envelope.seq] = time.monotonic()
        self.box.put(envelope)

    @property
    def settled(self) -> bool:
        """Whether everything is acknowledged and answered."""
        return not len(self.box) and len(self.answers) == self.turns

    @property
    def unacknowledged(self) -> int:
        """Envelopes that no bridge has acknowledged."""
        return len(self._put_s.keys() - self.box.acked_s.keys())

    @property
    def longest_s(self) -> float:
        """From giving an envelope to the link until its acknowledgement, at most; without end where none came."""
        return max((acked_s - self._put_s[seq] for seq, acked_s in self.box.acked_s.items()), default=math.inf)

    def close(self) -> None:
        """Hang up."""
        self.link.stop(0)
        self.box.close()

    def _heard(self, reply: mien_pb2.Reply) -> None:
        if reply.final:
            self.answers[reply.turn] += 1


def killed_at_a_broker(folder: Path, model: str, devices: int, seconds: float) -> dict[str, float]:
    """Kill one of two bridges in the middle of `seconds`. Raises ToolAbsent."""
    with ExitStack() as stack:
        redis = Redis(folder / "broker-redis")
        stack.callback(redis.close)
        broker = Mosquitto(folder / "broker")
        stack.callback(broker.close)
        flags = ("--redis", redis.url, "--broker", f"mqtt://127.0.0.1:{broker.port}")
        killed, _ = [
            stack.enter_context(bridge_process(folder / f"m{number}", model, free_port(), *flags, core=False))
            for number in range(2)
        ]
        fleet = [_Device(folder, number, broker.port) for number in range(devices)]
        for device in fleet:
            stack.callback(device.close)
        _wait(lambda: all(device.link.counts["connects"] for device in fleet), _CONNECT_S)
        _live(fleet, seconds / 2)
        before = [device.link.counts["connects"] for device in fleet]
        killed.kill()
        _live(fleet, seconds / 2)
        _wait(lambda: all(device.settled for device in fleet), _DRAIN_S)
        moved = [one for one, times in zip(fleet, before, strict=True) if one.link.counts["connects"] > times]
    waits_s = [device.longest_s for device in moved]
    return {
        "broker_kill_turns": sum(device.turns for device in fleet),
        "broker_kill_turns_lost": sum(device.turns - len(device.answers) for device in fleet),
        "broker_kill_turns_answered_twice": sum(device.answers.total() - len(device.answers) for device in fleet),
        "broker_kill_unacknowledged": sum(device.unacknowledged for device in fleet),
        "broker_kill_devices_moved": len(moved),
        "broker_kill_gap_p50_s": statistics.median(waits_s) if waits_s else float("nan"),
        "broker_kill_gap_max_s": max(waits_s, default=float("nan")),
    }


def _live(fleet: list[_Device], seconds: float) -> None:
    """Each device tells something each second, one after the other."""
    began_s = time.monotonic()
    for number in range(round(seconds) * len(fleet)):
        time.sleep(max(0.0, began_s + number / len(fleet) - time.monotonic()))
        fleet[number % len(fleet)].tell()


def _wait(holds: Callable[[], bool], within_s: float) -> None:
    """Until `holds()`, or for `within_s`: what is missing then is counted."""
    end_s = time.monotonic() + within_s
    while not holds() and time.monotonic() < end_s:
        time.sleep(_STEP_S)
