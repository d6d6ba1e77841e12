"""One bridge among several: a turn that is being answered is noted in the shared store until its answer has come to the
device, so that the bridge to which the device turns when this one dies answers it, once.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Callable

import redis

from cloud_bridge.fleet.record import SharedRecord
from cloud_bridge.fleet.store import Store, memory_key, raw, turn_key, who
from cloud_bridge.ingest.base import Device, Effect, Handler, Link, NotNow
from cloud_bridge.sessions import FORGET_S, Memory
from edge.wire import mien_pb2

log = logging.getLogger(__name__)

_SETTLE_S = 0.1  # the answer becomes memory just after its last chunk
_HEARD_S = 5  # an answer that went out is kept open so long: this bridge may die before the device has it
_TURN_S = 30  # a turn that nobody answered for so long is not answered any more
_OVER = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
"""  # of this turn only: the next one, noted by another connection, may be there before


class Worker:
    """Implements `cloud_bridge.ingest.base.Handler` around `inner`. `counts`: turns_noted, turns_taken_over."""

    def __init__(
        self, inner: Handler, store: Store, record: SharedRecord, memory: Callable[[Device], Memory] | None = None
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._inner, self._store, self._record, self._memory = inner, store, record, memory
        self._saving: set[asyncio.Task[None]] = set()
        self._open: dict[Device, tuple[int, bytes]] = {}  # the turn that stands in the store: its number, and its bytes
        self._over = store.soon.register_script(_OVER)

    async def connected(self, device: Device, link: Link) -> None:
        """Take the device over: what was taken of it, and the turn that was left open."""
        await asyncio.to_thread(self._record.load, who(device), device.boot)
        await self._remember(device)
        await self._inner.connected(device, _Until(link, self, device))
        left = await self._left(device)
        if left is not None:
            self.counts["turns_taken_over"] += 1
            envelope, body = left
            self._open[device] = envelope.turn, body
            await self._inner.received(device, envelope)

    async def received(self, device: Device, envelope: mien_pb2.Envelope) -> Effect | None:
        """A turn is noted before it is acknowledged: from then on it is answered, by this bridge or by another."""
        if envelope.kind == mien_pb2.TURN_END and envelope.boot == device.boot:
            self.counts["turns_noted"] += 1
            body = envelope.SerializeToString()
            self._open[device] = envelope.turn, body
            try:
                await self._store.soon.set(turn_key(device), body, ex=_TURN_S)
            except (redis.RedisError, OSError) as error:
                raise NotNow(f"the shared store is away: {type(error).__name__}") from error
        return await self._inner.received(device, envelope)

    async def cancelled(self, device: Device, turn: int) -> None:
        """See `Handler`. What the person broke off needs no answer."""
        await self._inner.cancelled(device, turn)  # first: a store that is away must not talk over the person
        if device in self._open and 0 < self._open[device][0] <= turn:
            await self._end_turn(device, 0)

    async def disconnected(self, device: Device) -> None:
        """See `Handler`. An open turn stays in the store: the device may be at another bridge by now."""
        self._open.pop(device, None)
        await self._inner.disconnected(device)

    async def answered(self, device: Device, turn: int) -> None:
        """The last chunk of the answer to `turn` is out."""
        if device in self._open and self._open[device][0] == turn:
            self._save_soon(device)
            await self._end_turn(device, _HEARD_S)

    async def _end_turn(self, device: Device, after_s: int) -> None:
        _, body = self._open.pop(device)
        try:
            await self._over(keys=[turn_key(device)], args=[body, after_s])
        except (redis.RedisError, OSError) as error:  # it ends by itself after `_TURN_S`
            log.warning("a turn that is over could not be taken off the store: %s", type(error).__name__)

    def _save_soon(self, device: Device) -> None:
        if self._memory is not None:
            task = asyncio.create_task(self._save(device, self._memory(device)), name=f"save {device.id}")
            self._saving.add(task)
            task.add_done_callback(self._saving.discard)

    async def _save(self, device: Device, memory: Memory) -> None:
        await asyncio.sleep(_SETTLE_S)
        try:
            await self._store.soon.set(memory_key(device), json.dumps(memory.exchanges), ex=round(FORGET_S))
        except (redis.RedisError, OSError) as error:
            log.warning("a conversation could not be put into the store: %s", type(error).__name__)

    async def _remember(self, device: Device) -> None:
        """Take up the conversation where another bridge left it."""
        if self._memory is None or (kept := await self._store.soon.get(memory_key(device))) is None:
            return
        self._memory(device).exchanges[:] = [(person, asked, said) for person, asked, said in json.loads(kept)]

    async def forget(self, tenant: str, device: str) -> int:
        """Erase what the store holds of `device`, but not that its envelopes were taken. How many entries went."""
        gone = Device(device, 0, tenant=tenant)
        return int(await self._store.soon.delete(memory_key(gone), turn_key(gone)))

    async def _left(self, device: Device) -> tuple[mien_pb2.Envelope, bytes] | None:
        """The turn that was left open, and its bytes in the store."""
        body = raw(await self._store.soon.get(turn_key(device)))
        envelope = mien_pb2.Envelope.FromString(body)
        return (envelope, body) if envelope.boot == device.boot and envelope.turn > device.heard_turn else None


class _Until:
    """The `Link`, watched for the end of each answer."""

    def __init__(self, link: Link, worker: Worker, device: Device) -> None:
        self._link, self._worker, self._device = link, worker, device
        self.next_reply, self.command = link.next_reply, link.command

    async def send(self, reply: mien_pb2.Reply) -> None:
        """See `Link`."""
        await self._link.send(reply)
        if reply.final:
            await self._worker.answered(self._device, reply.turn)
