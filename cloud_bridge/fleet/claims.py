"""Which bridge of a fleet serves a device that said hello by MQTT.

The broker gives each hello to one of the bridges, but a hello that is said again, because the answer was slow, may come
to another one. The first to write its number into the shared store serves the device; the others stay silent.
"""

from __future__ import annotations

import redis

from cloud_bridge.fleet.store import Store
from cloud_bridge.ingest.base import NotNow

_KEPT_S = 60  # longer than a hello is said again


class Claims:
    """See `cloud_bridge.ingest.base.Claims`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def claim(self, device: str, hello: bytes) -> bool:
        """See `cloud_bridge.ingest.base.Claims`."""
        try:
            return bool(await self._store.soon.set(f"mien:hello:{device}:{hello.hex()}", 1, nx=True, ex=_KEPT_S))
        except (redis.RedisError, OSError) as error:
            raise NotNow("the shared store is away") from error
