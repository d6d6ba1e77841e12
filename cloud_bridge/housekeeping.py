"""What a bridge does beside answering: rows that are too old go, and wishes to erase are fulfilled."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sqlite3
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

from cloud_bridge.erasure import LOOK_S, Erasures, Wish
from cloud_bridge.errors import BridgeError
from cloud_bridge.history import History

if TYPE_CHECKING:
    from cloud_bridge.fleet.erasures import SharedErasures

log = logging.getLogger(__name__)

_SWEEP_S = 3_600.0

Here = Callable[[Wish], Awaitable[dict[str, int]]]
"""Erases what this bridge holds; what was found, by name."""


async def sweep(history: History, keep_days: float) -> None:
    """Erase what is older than `keep_days`, every hour."""
    while True:
        try:
            await asyncio.to_thread(history.sweep, keep_days=keep_days)
        except (sqlite3.Error, BridgeError) as error:
            log.error("the history was not swept, and will be in %.0f min: %s", _SWEEP_S / 60, error)
        await asyncio.sleep(_SWEEP_S)


async def erase(
    history: History,
    keep_days: float,
    here: Here,
    shared: SharedErasures | None = None,
) -> None:
    """Fulfil the wishes of `mien bridge forget` by `here` (what this bridge holds beside the history), and `shared`."""

    async def everywhere(wish: Wish) -> dict[str, int]:
        found = await here(wish)
        found["rows"] = await asyncio.to_thread(history.forget, wish.device, wish.person, tenant=wish.tenant)
        if shared is not None:
            found["other_bridges"] = await shared.elsewhere(wish)
        return found

    assert history.path is not None
    name = f"{socket.gethostname()}:{os.getpid()}"
    erasures: Erasures | None = None
    try:
        while True:
            try:
                if erasures is None:
                    erasures = Erasures(history.path)
                    erasures.sweep(time.time() - keep_days * 86_400)
                for wish in await asyncio.to_thread(erasures.open, name):
                    await _fulfil(erasures, name, wish, everywhere)
            except Exception as error:  # a store or a model of any kind; it is not confirmed, so it is tried again
                log.error("a wish to erase waits: %s", _told(error))
            await asyncio.sleep(LOOK_S)
    finally:
        if erasures is not None:
            erasures.ended(name)
            erasures.close()


async def erase_shared(history: History | None, here: Here, shared: SharedErasures) -> None:
    """Fulfil what other bridges of the fleet were asked; first what they were asked while this one did not run."""

    async def rows(wish: Wish) -> dict[str, int]:
        if history is None:
            return {}
        erase = partial(history.forget, wish.device, wish.person, tenant=wish.tenant, before_s=wish.at_s)
        return {"rows": await asyncio.to_thread(erase)}

    async def everything(wish: Wish) -> dict[str, int]:
        return await here(wish) | await rows(wish)

    work: Here = rows  # a bridge that just began holds nothing else from before
    while True:
        try:
            await shared.look(work)
            work = everything
        except Exception as error:  # as above
            log.error("a wish of another bridge to erase waits: %s", _told(error))
        await asyncio.sleep(LOOK_S)


async def _fulfil(erasures: Erasures, name: str, wish: Wish, work: Here) -> None:
    working = asyncio.ensure_future(work(wish))
    try:
        while not (await asyncio.wait({working}, timeout=LOOK_S))[0]:
            await asyncio.to_thread(erasures.alive, name)
    finally:
        working.cancel()
    await asyncio.to_thread(erasures.fulfilled, wish, name, working.result())


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, BridgeError) else type(error).__name__
