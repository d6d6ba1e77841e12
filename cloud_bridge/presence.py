"""Who is there, and how they are: the newest of every device, for MCP clients and the console to read and follow.

In memory only, bounded, and never across tenants. `Presence` stands between the ingest and the application: it hands
every call on, and keeps what it saw.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cloud_bridge.errors import BridgeError
from cloud_bridge.fleet.fair import TENANT
from cloud_bridge.ingest.base import Device, Handler, Link
from cloud_bridge.seen import Done, Moment, Seen, keep_facts
from edge.wire import mien_pb2

if TYPE_CHECKING:
    from cloud_bridge.ingest.base import Effect

MOST_DEVICES = 20_000  # beyond that, those that went offline first are forgotten
_WAITING = 512  # moments that wait for one follower; the oldest go first
_ORDER_S = 4.0  # how long a device's answer to an order is waited for
ORDER = "order"  # the event by which a device answers an order
_KINDS = {number: name.lower() for name, number in mien_pb2.Kind.items()}


class NotThere(BridgeError):  # noqa: N818
    """The device is not connected to this bridge, or is not of this tenant."""


class Following:
    """What one follower is told, oldest first. `dropped` counts what it was too slow for."""

    def __init__(self, device: str | None) -> None:
        self.device = device
        self.dropped = 0
        self._queue: asyncio.Queue[Moment] = asyncio.Queue(_WAITING)

    def put(self, moment: Moment) -> None:
        """Queue `moment` if it is of interest."""
        if self.device is not None and moment.device != self.device:
            return
        if self._queue.full():
            self._queue.get_nowait()
            self.dropped += 1
        self._queue.put_nowait(moment)

    async def next(self) -> Moment:
        """The next moment, when it comes."""
        return await self._queue.get()

    async def __aiter__(self) -> AsyncIterator[Moment]:
        while True:
            yield await self._queue.get()


class Presence:
    """Implements `cloud_bridge.ingest.base.Handler` around `inner`. Used from the event loop only."""

    def __init__(self, inner: Handler) -> None:
        self.counts: Counter[str] = Counter()
        self.relays: list[Callable[[Moment, Device], None]] = []  # told of all that happens here, e.g. to other workers
        self.remote: Callable[[str, str, mien_pb2.Command], bool] = lambda tenant, device, command: False
        self._inner = inner
        self._seen: OrderedDict[tuple[str, str], Seen] = OrderedDict()
        self._followers: dict[str | None, list[Following]] = {}
        self._orders: dict[tuple[str, str, int], asyncio.Future[Done]] = {}  # tenant, device, number
        self._numbers = itertools.count(int(time.time()) & 0xFFFFFF)

    # ------------------------------------------------------------ the ingest's calls, handed on

    async def connected(self, device: Device, link: Link) -> None:
        """See `Handler`."""
        seen = self._of(device)
        heard = _Heard(link, self, device)
        seen.device, seen.link = device, heard
        self.note(device, "online", {"software": device.software})
        await self._inner.connected(device, heard)

    async def received(self, device: Device, envelope: mien_pb2.Envelope) -> Effect | None:
        """See `Handler`."""
        if envelope.boot == device.boot:
            self.note(device, _KINDS.get(envelope.kind, "unknown"), envelope)
        TENANT.set(device.tenant)
        return await self._inner.received(device, envelope)

    async def cancelled(self, device: Device, turn: int) -> None:
        """See `Handler`."""
        self.note(device, "cancelled", {"turn": turn})
        await self._inner.cancelled(device, turn)

    async def disconnected(self, device: Device) -> None:
        """See `Handler`."""
        seen = self._seen.get((device.tenant, device.id))
        if seen is not None and seen.device == device and seen.link is not None:
            seen.link = None
            self.note(device, "offline", {})
        await self._inner.disconnected(device)

    def moved(self, device: Device) -> None:
        """The device is at another bridge now: the way to it from here is closed."""
        seen = self._of(device)
        seen.device, seen.link = device, None

    # ------------------------------------------------------------ what is told

    def answered(self, device: Device, facts: Mapping[str, Any]) -> None:
        """How an answer went: names and times, no content."""
        self.note(device, "answered", facts)

    def note(
        self, device: Device, kind: str, what: mien_pb2.Envelope | Mapping[str, Any], *, relay: bool = True
    ) -> None:
        """Keep what happened on `device`, and tell all who follow. `relay`: other workers, too."""
        now_s = time.time()
        seen = self._of(device)
        if isinstance(what, mien_pb2.Envelope):
            self._keep(seen, what, now_s)
            moment = Moment(device.tenant, device.id, kind, now_s, what.SerializeToString())
        else:
            keep_facts(seen, kind, what, now_s)
            moment = Moment(device.tenant, device.id, kind, now_s, what)
        seen.recent.append(moment)
        if self._followers:
            for whose in (device.tenant, None):
                for follower in self._followers.get(whose, ()):
                    follower.put(moment)
        if relay:
            for told in self.relays:
                told(moment, device)

    def _keep(self, seen: Seen, envelope: mien_pb2.Envelope, now_s: float) -> None:
        seen.heard_s = now_s
        seen.turn = max(seen.turn, envelope.turn)
        if envelope.HasField("state"):
            seen.state, seen.state_s = envelope.state, now_s
        if envelope.HasField("description"):
            seen.description = envelope.description
        if envelope.HasField("health"):
            seen.health = envelope.health
        if envelope.kind == mien_pb2.TURN_END:
            seen.words = envelope.words
        for event in envelope.events:
            if event.name == ORDER:
                self._take_answer(seen, event.arguments)

    def _take_answer(self, seen: Seen, told: Mapping[str, str]) -> None:
        if (muted := told.get("muted")) is not None:
            seen.muted = muted == "true"
        number = told.get("id", "")
        if not (number.isascii() and number.isdigit()):
            return
        waiting = self._orders.get((seen.device.tenant, seen.device.id, int(number)))
        if waiting is not None and not waiting.done():
            waiting.set_result(Done(told.get("done") == "true", told.get("reason", "")))

    # ------------------------------------------------------------ reading and following

    def devices(self, tenant: str) -> list[Seen]:
        """The devices of `tenant`, by name."""
        return sorted((one for (of, _), one in self._seen.items() if of == tenant), key=lambda one: one.device.id)

    def get(self, tenant: str, device: str) -> Seen:
        """Raises NotThere."""
        if (found := self._seen.get((tenant, device))) is None:
            raise NotThere(f"no device '{device[:64]}' has been here: list the devices")
        return found

    @contextmanager
    def follow(self, tenant: str | None, device: str | None = None) -> Iterator[Following]:
        """`with presence.follow(tenant) as following`: all that happens from now on, on one device or on all.

        Tenant None: of all tenants; for parts of the bridge that keep tenants apart themselves.
        """
        following = Following(device)
        self._followers.setdefault(tenant, []).append(following)
        try:
            yield following
        finally:
            self.counts["moments_dropped"] += following.dropped
            self._followers[tenant].remove(following)
            if not self._followers[tenant]:
                del self._followers[tenant]

    def followers(self, tenant: str) -> int:
        """How many follow the devices of `tenant` now."""
        return len(self._followers.get(tenant, ()))

    def forget(self, tenant: str, device: str) -> None:
        """Erase what is kept of `device`; where it is connected only its presence stays."""
        if (seen := self._seen.get((tenant, device))) is None:
            return
        if seen.online:
            self._seen[tenant, device] = Seen(seen.device, since_s=seen.since_s, muted=seen.muted, link=seen.link)
        else:
            del self._seen[tenant, device]

    # ------------------------------------------------------------ orders

    async def order(self, tenant: str, device: str, command: mien_pb2.Command, *, by: str) -> Done:
        """Send `command`, and wait for the device's answer. `by`: who gave it, for the audit. Raises NotThere."""
        seen = self.get(tenant, device)
        if not seen.online:
            raise NotThere(f"'{device}' is not connected now")
        number = command.id = next(self._numbers) & 0xFFFFFFFF
        waiting: asyncio.Future[Done] = asyncio.get_running_loop().create_future()
        self._orders[tenant, device, number] = waiting
        try:
            if seen.link is not None:
                await seen.link.command(command)
            elif not self.remote(tenant, device, command):
                raise NotThere(f"'{device}' is not connected now")
            try:
                async with asyncio.timeout(_ORDER_S):
                    done = await waiting
            except TimeoutError:
                done = Done(None, f"the device did not answer within {_ORDER_S:.0f} s")
        finally:
            del self._orders[tenant, device, number]
        what = str(command.WhichOneof("what"))
        self.note(seen.device, "ordered", {"what": what, "by": by, "done": done.done, "reason": done.reason})
        return done

    async def obey(self, tenant: str, device: str, command: mien_pb2.Command) -> None:
        """Hand a command on that another worker gave."""
        seen = self._seen.get((tenant, device))
        if seen is not None and seen.link is not None:
            await seen.link.command(command)

    def _of(self, device: Device) -> Seen:
        key = (device.tenant, device.id)
        if (seen := self._seen.get(key)) is None:
            if len(self._seen) >= MOST_DEVICES:
                gone = next((key for key, one in self._seen.items() if not one.online), None)
                self._seen.pop(gone if gone is not None else next(iter(self._seen)))
                self.counts["devices_forgotten"] += 1
            seen = self._seen[key] = Seen(device)
        return seen


class _Heard:
    """The `Link` to a device; what goes out by it is noted."""

    def __init__(self, link: Link, presence: Presence, device: Device) -> None:
        self._link, self._presence, self._device = link, presence, device
        self.next_reply, self.command = link.next_reply, link.command

    async def send(self, reply: mien_pb2.Reply) -> None:
        """See `Link`."""
        if reply.HasField("text"):
            facts = {
                "turn": reply.turn,
                "chunk": reply.chunk,
                "text": reply.text.text,
                "opening": reply.text.opening,
                "tone": reply.text.tone,
            }
            self._presence.note(self._device, "reply", facts)
        await self._link.send(reply)
