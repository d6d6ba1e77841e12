"""The shared store: how it is reached, and the names of its keys."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit

import redis
import redis.asyncio

from cloud_bridge.errors import BridgeError, SettingError
from cloud_bridge.ingest.base import Device
from cloud_bridge.settings import secret
from edge.wire import layout

_TIMEOUT_S = 2.0
MOMENTS = "mien:moments"  # channel: what happens at any bridge
ORDERS = "mien:orders"  # channel: orders to devices, whichever bridge they are at
WISHES = "mien:wishes"  # sorted by time: whom to erase
ONLINE = "mien:online"  # hash: tenant/device → the bridge it is at, its boot and software
LAYOUT = "mien:layout"  # which layout the other keys have; not there: 0
AWAY = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.ReadOnlyError,
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.ClusterDownError,
    OSError,
)
"""What a store that comes back raises; any other error is the fault of what was asked."""


class StoreError(BridgeError):
    """The shared store cannot be reached."""


class Store:
    """Connections to the store at `url` (`redis://` or `rediss://`), for the event loop and for a thread.

    The password is read from MIEN_REDIS_PASSWORD (or `_FILE`). Raises SettingError.
    """

    def __init__(self, url: str) -> None:
        if urlsplit(url).password is not None:
            raise SettingError("a password in --redis would be seen by everyone here: give MIEN_REDIS_PASSWORD instead")
        known: dict[str, Any] = {
            "password": secret("MIEN_REDIS_PASSWORD"),
            "socket_timeout": _TIMEOUT_S,
            "socket_connect_timeout": _TIMEOUT_S,
        }
        try:
            self.soon = redis.asyncio.Redis.from_url(url, **known)
            self.now = redis.Redis.from_url(url, **known)
        except ValueError as error:
            raise SettingError(f"'{url}' is no address of a Redis: write redis://HOST:PORT/0") from error
        self.url = url

    async def check(self) -> None:
        """Raises StoreError when nobody answers, SettingError where a newer Mien keeps its things there."""
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                await self.soon.ping()
                layout.check(int(raw(await self.soon.get(LAYOUT)) or 0))
        except ValueError as error:
            raise SettingError(f"the Redis at {self.url} cannot be used: {error}, or give another database") from error
        except (redis.RedisError, OSError, TimeoutError) as error:
            raise StoreError(
                f"no Redis answers at {self.url} ({type(error).__name__}): start it, or mend --redis"
            ) from error

    async def close(self) -> None:
        """Hang up."""
        await self.soon.aclose()
        self.now.close()


def raw(value: bytes | str | None) -> bytes:
    """What was read, as the bytes that it is: nothing is decoded here, whatever the library's types allow for."""
    return value.encode() if isinstance(value, str) else value or b""


def who(device: Device) -> str:
    """The device in keys; neither part can hold a slash."""
    return f"{device.tenant}/{device.id}"


def seen_key(of: str, boot: int) -> str:
    """Key of what was taken of one boot of `of` (tenant/device)."""
    return f"mien:seen:{of}:{boot:016x}"


def turn_key(device: Device) -> str:
    """Key of the turn that is being answered."""
    return f"mien:turn:{who(device)}"


def memory_key(device: Device) -> str:
    """Key of the last exchanges with the person in front of `device`."""
    return f"mien:memory:{who(device)}"


def erased_key(wish: str) -> str:
    """Key of who fulfilled a wish to erase."""
    return f"mien:erased:{wish}"


def worker_key(worker: str) -> str:
    """Key that lives while the bridge does."""
    return f"mien:worker:{worker}"
