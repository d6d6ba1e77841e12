"""What happens, as server-sent events: for the fleet once a second what changed, for one device everything at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from cloud_bridge.console.rows import row
from cloud_bridge.presence import NotThere, Presence

_EVERY_S = 1.0
_ALIVE_S = 15.0  # a comment now and then, so that proxies and the page know that the stream lives


async def events(
    presence: Presence, tenant: str, device: str | None, gone: Callable[[], Awaitable[bool]]
) -> AsyncIterator[str]:
    """The stream, until `gone`. A follower that is too slow loses moments, and is told how many."""
    loop = asyncio.get_running_loop()
    told_dropped = 0
    with presence.follow(tenant) as following:
        yield _event("fleet", [row(seen) for seen in presence.devices(tenant)])
        changed: set[str] = set()
        due_s = loop.time() + _EVERY_S
        alive_s = loop.time() + _ALIVE_S
        while True:
            try:
                async with asyncio.timeout_at(due_s):
                    moment = await following.next()
                changed.add(moment.device)
                if moment.device == device:
                    yield _event("moment", moment.facts())
            except TimeoutError:
                pass
            now_s = loop.time()
            if now_s < due_s:
                continue
            due_s = now_s + _EVERY_S
            if await gone():
                return
            if changed:
                yield _event("fleet", _rows(presence, tenant, changed))
                changed = set()
                alive_s = now_s + _ALIVE_S
            elif now_s >= alive_s:
                alive_s = now_s + _ALIVE_S
                yield ": alive\n\n"
            if following.dropped > told_dropped:
                yield _event("dropped", following.dropped - told_dropped)
                told_dropped = following.dropped


def _rows(presence: Presence, tenant: str, names: set[str]) -> list[dict[str, Any]]:
    found = []
    for name in sorted(names):
        try:
            found.append(row(presence.get(tenant, name)))
        except NotThere:
            found.append({"device": name, "forgotten": True})
    return found


def _event(name: str, value: Any) -> str:
    return f"event: {name}\ndata: {json.dumps(value, ensure_ascii=False, separators=(',', ':'))}\n\n"
