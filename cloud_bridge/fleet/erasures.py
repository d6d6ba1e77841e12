"""Wishes to erase, across bridges: what one was asked every other one fulfils, in its memory and in its own history.

A wish stands in the store until the retention ends: a bridge that does not run now erases its history when it starts.
Wishes hold no more than a name.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping

from cloud_bridge.erasure import LOOK_S, Wish
from cloud_bridge.fleet.store import WISHES, Store, StoreError, erased_key, raw, worker_key

_WAIT_S = 9.0  # for the other bridges; one that died counts no more once its lease is over

Erase = Callable[[Wish], Awaitable[Mapping[str, int]]]


class SharedErasures:
    """This bridge's part in it. `erase` erases what this bridge holds from before the wish, and tells what it found."""

    def __init__(self, store: Store, worker: str, keep_days: float) -> None:
        self._store, self._worker, self._keep_s = store, worker, keep_days * 86_400
        self._done: set[bytes] = set()

    async def elsewhere(self, wish: Wish) -> int:
        """Have all other bridges fulfil `wish`; how many did. Raises StoreError while one that runs has not."""
        packet = json.dumps([f"{self._worker}/{wish.id}", wish.tenant, wish.device, wish.person, wish.at_s]).encode()
        self._done.add(packet)
        await self._store.soon.zadd(WISHES, {packet: wish.at_s})
        end_s = time.monotonic() + _WAIT_S
        while True:
            running = {raw(key) async for key in self._store.soon.scan_iter(worker_key("*"), count=1_000)}
            names = {key.removeprefix(worker_key("").encode()).decode() for key in running} - {self._worker}
            answers = {raw(name).decode() for name in await self._store.soon.hkeys(erased_key(self._id(packet)))}
            if names <= answers:
                return len(answers)
            if time.monotonic() > end_s:
                raise StoreError(f"not erased yet at {', '.join(sorted(names - answers))}")
            await asyncio.sleep(LOOK_S / 5)

    async def look(self, erase: Erase) -> None:
        """Fulfil what other bridges were asked since the last look; the first time, all that is still kept."""
        before_s = time.time() - self._keep_s
        await self._store.soon.zremrangebyscore(WISHES, 0, before_s)
        known = set(self._done)  # what is wished here meanwhile, by `elsewhere`, may not be among what is read
        kept: list[bytes] = await self._store.soon.zrange(WISHES, 0, -1)  # type: ignore[assignment]  # no scores
        self._done -= known.difference(kept)
        for packet in kept:
            if packet in self._done:
                continue
            _, tenant, device, person, at_s = json.loads(packet)
            found = await erase(Wish(0, tenant, device, person, at_s))
            key = erased_key(self._id(packet))
            await self._store.soon.hset(key, self._worker, json.dumps(dict(found)))
            await self._store.soon.expire(key, round(self._keep_s))
            self._done.add(packet)

    @staticmethod
    def _id(packet: bytes) -> str:
        return str(json.loads(packet)[0])
