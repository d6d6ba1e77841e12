"""Presence across bridges: what happens at one is told to those that show it, and orders find the device's bridge."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections import Counter
from collections.abc import Awaitable, Callable

import redis
from google.protobuf.message import DecodeError

from cloud_bridge.ending import end
from cloud_bridge.fleet.store import MOMENTS, ONLINE, ORDERS, Store, raw, worker_key
from cloud_bridge.ingest.base import Device
from cloud_bridge.presence import NotThere, Presence
from cloud_bridge.seen import Moment
from edge.wire import mien_pb2

log = logging.getLogger(__name__)

_WAITING = 4_096  # moments on their way out; what comes beyond that is dropped and counted
_LEASE_S = 6
_BEAT_S = 2.0
_RETRY_S = 1.0
_GONE = """
local at = redis.call('HGET', KEYS[1], ARGV[1])
if at and cjson.decode(at).w == ARGV[2] then redis.call('HDEL', KEYS[1], ARGV[1]) end
"""  # a device that is at another bridge already stays online


class Relay:
    """Joins `presence` with those of the other bridges. `shows`: follow what happens at the others, too.

    `counts`: told, heard, malformed, dropped, failed, orders, workers_lost.
    """

    def __init__(self, presence: Presence, store: Store, worker: str, *, shows: bool) -> None:
        self.counts: Counter[str] = Counter()
        self._presence, self._store, self._worker, self._shows = presence, store, worker, shows
        self._out: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(_WAITING)
        self._at: dict[tuple[str, str], str] = {}  # device → the other bridge it is at
        self._heard = True  # whether anybody listens to moments
        self._tasks: list[asyncio.Task[None]] = []
        self._gone = store.soon.register_script(_GONE)
        presence.relays.append(self._told)
        presence.remote = self._order

    def start(self) -> None:
        """Begin. Every part comes back by itself when the store was away."""
        parts = (self._beat, self._publish, self._listen)
        self._tasks = [asyncio.create_task(self._keep(part), name="relay") for part in parts]

    async def stop(self) -> None:
        """End; this bridge's devices are not online here any more."""
        await end(self._tasks)
        try:
            await self._store.soon.delete(worker_key(self._worker))
        except (redis.RedisError, OSError):
            log.warning("the store was not told that this bridge ends; its lease ends in %d s", _LEASE_S)

    async def _keep(self, part: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await part()
            except Exception as error:  # the store is away, or another bridge says what nobody foresaw
                self.counts["failed"] += 1
                log.warning("the shared store: %s; trying again", type(error).__name__)
                await asyncio.sleep(_RETRY_S)

    # ------------------------------------------------------------ out

    def _told(self, moment: Moment, device: Device) -> None:
        if moment.kind == "online":
            self._at.pop((device.tenant, device.id), None)
        if moment.kind not in ("online", "offline", "event") and not self._heard:
            return
        head = {
            "w": self._worker,
            "t": device.tenant,
            "d": device.id,
            "b": device.boot,
            "s": device.software,
            "k": moment.kind,
        }
        body = b""
        if isinstance(moment.body, bytes):
            body = moment.body
        else:
            head["f"] = dict(moment.body)
        packet = json.dumps(head).encode() + b"\n" + body
        try:
            self._out.put_nowait((moment.kind, packet))
        except asyncio.QueueFull:
            self.counts["dropped"] += 1

    async def _publish(self) -> None:
        while True:
            batch = [await self._out.get()]
            while not self._out.empty() and len(batch) < 256:
                batch.append(self._out.get_nowait())
            async with self._store.soon.pipeline(transaction=False) as pipe:
                for kind, packet in batch:
                    if kind in ("online", "offline"):
                        head = json.loads(packet.partition(b"\n")[0])
                        name = f"{head['t']}/{head['d']}"
                        if kind == "online":
                            pipe.hset(ONLINE, name, packet)
                        else:
                            await self._gone(keys=[ONLINE], args=[name, self._worker], client=pipe)
                    pipe.publish(MOMENTS, packet)
                try:
                    await pipe.execute()
                except (redis.RedisError, OSError):
                    self.counts["dropped"] += len(batch)
                    raise
            self.counts["told"] += len(batch)

    def _order(self, tenant: str, device: str, command: mien_pb2.Command) -> bool:
        if (tenant, device) not in self._at:
            return False
        packet = json.dumps([tenant, device]).encode() + b"\n" + command.SerializeToString()
        task = asyncio.create_task(self._send_order(packet))
        self._tasks.append(task)
        task.add_done_callback(self._tasks.remove)
        return True

    async def _send_order(self, packet: bytes) -> None:
        try:
            await self._store.soon.publish(ORDERS, packet)
        except (redis.RedisError, OSError) as error:  # the order is then told as not answered
            log.warning("an order did not reach the store: %s", type(error).__name__)

    # ------------------------------------------------------------ in

    async def _listen(self) -> None:
        async with self._store.soon.pubsub() as heard:
            await heard.subscribe(ORDERS, *([MOMENTS] if self._shows else []))
            while True:
                message = await heard.get_message(timeout=1.0)
                if message is None:
                    continue
                if message["type"] == "subscribe":  # told at first, and after a cut: now nothing is missed
                    if message["channel"] == MOMENTS.encode():
                        await self._look_round()
                elif message["channel"] == ORDERS.encode():
                    await self._obey(message["data"])
                else:
                    self._take(bytes(message["data"]))

    async def _look_round(self) -> None:
        """Take up who is online; who is not, but was, went while nobody listened here."""
        online = await self._store.soon.hgetall(ONLINE)
        for packet in online.values():
            self._take(raw(packet))
        for tenant, device in self._at.keys() - {_key(raw(name)) for name in online}:
            self._lost(tenant, device)

    def _lost(self, tenant: str, device: str) -> None:
        del self._at[tenant, device]
        with contextlib.suppress(NotThere):  # it was forgotten here meanwhile
            self._presence.note(self._presence.get(tenant, device).device, "offline", {}, relay=False)

    async def _obey(self, packet: bytes) -> None:
        head, _, body = packet.partition(b"\n")
        try:
            tenant, device = map(str, json.loads(head))
            command = mien_pb2.Command.FromString(body)
        except (ValueError, TypeError, DecodeError):
            self.counts["malformed"] += 1
            return
        self.counts["orders"] += 1
        await self._presence.obey(tenant, device, command)

    def _take(self, packet: bytes) -> None:
        line, _, body = packet.partition(b"\n")
        try:  # before anything of it is believed
            head = json.loads(line)
            device = Device(str(head["d"]), int(head["b"]), tenant=str(head["t"]), software=str(head["s"]))
            what = head["f"] if "f" in head else mien_pb2.Envelope.FromString(body)
            kind, worker = str(head["k"]), str(head["w"])
        except (ValueError, KeyError, TypeError, DecodeError):
            self.counts["malformed"] += 1
            return
        if worker == self._worker:
            return
        self.counts["heard"] += 1
        key = (device.tenant, device.id)
        if kind == "offline":
            if self._at.get(key) != worker:
                return  # it is at another bridge already
            del self._at[key]
        else:
            if kind == "online":
                self._presence.moved(device)
            self._at[key] = worker
        self._presence.note(device, kind, what, relay=False)

    # ------------------------------------------------------------ alive

    async def _beat(self) -> None:
        while True:
            await self._store.soon.set(worker_key(self._worker), b"1", ex=_LEASE_S)
            told = await self._store.soon.pubsub_numsub(MOMENTS)
            self._heard = any(count for _, count in told)
            if self._shows:
                await self._bury()
            await asyncio.sleep(_BEAT_S)

    async def _bury(self) -> None:
        """Devices of a bridge that is gone, and that came back nowhere, are offline."""
        for worker in set(self._at.values()):
            if await self._store.soon.exists(worker_key(worker)):
                continue
            self.counts["workers_lost"] += 1
            for tenant, name in [key for key, at in self._at.items() if at == worker]:
                if self._at.get((tenant, name)) == worker:  # else it came back while the one before was buried
                    self._lost(tenant, name)
                await self._gone(keys=[ONLINE], args=[f"{tenant}/{name}", worker])


def _key(name: bytes) -> tuple[str, str]:
    tenant, _, device = name.decode(errors="replace").partition("/")
    return tenant, device
