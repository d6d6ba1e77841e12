"""A wish to erase reaches every bridge of the fleet, those that run and those that will; all that run prove it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cloud_bridge import housekeeping
from cloud_bridge.ending import end
from cloud_bridge.erasure import Erasures, Wish
from cloud_bridge.fleet import erasures as shared_erasures
from cloud_bridge.fleet.erasures import SharedErasures
from cloud_bridge.fleet.store import Store, StoreError, worker_key
from cloud_bridge.history import History
from tests.sim.redis import Redis
from tests.sim.wait import soon


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    server = Redis(tmp_path)
    found = Store(server.url)
    yield found
    await found.close()
    server.close()


def filled(path: Path, *ages_s: float) -> History:
    history = History(path)
    for turn, age_s in enumerate(ages_s, 1):
        history.add_turn("kitchen", 1, time.time() - age_s, turn, {}, words="a secret")
    history.flush()
    return history


async def nothing(wish: Wish) -> dict[str, int]:
    return {"exchanges": 0}


async def test_a_wish_at_one_bridge_is_fulfilled_by_all(store: Store, tmp_path: Path) -> None:
    """Each in its own memory and history; the one that was asked confirms once all that run have."""
    histories = [filled(tmp_path / name, 5, 4) for name in ("a.sqlite", "b.sqlite")]
    members = [SharedErasures(store, name, 30.0) for name in ("a", "b")]
    for name in ("a", "b"):
        await store.soon.set(worker_key(name), b"1", ex=60)
    asked: list[Wish] = []

    async def here(wish: Wish) -> dict[str, int]:
        asked.append(wish)
        return {"exchanges": 2}

    tasks = [
        asyncio.create_task(housekeeping.erase(histories[0], 30.0, nothing, members[0])),
        asyncio.create_task(housekeeping.erase_shared(histories[0], nothing, members[0])),
        asyncio.create_task(housekeeping.erase_shared(histories[1], here, members[1])),
    ]
    local = Erasures(tmp_path / "a.sqlite")
    await soon(local.running)
    wish = local.wish("default", "kitchen", None)
    await soon(lambda: local.answers(wish))
    (answer,) = local.answers(wish).values()
    assert answer == {"exchanges": 0, "rows": 2, "other_bridges": 1}
    assert [(one.device, one.at_s) for one in asked] == [("kitchen", wish.at_s)]
    assert [history.count("kitchen") for history in histories] == [0, 0]
    await end(tasks)
    local.close()
    for history in histories:
        history.close()
    assert not any(b"secret" in file.read_bytes() for file in tmp_path.glob("*.sqlite*"))  # noqa: ASYNC240


async def test_a_bridge_that_looks_while_it_is_asked_does_not_fulfil_its_own_wish(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would count itself among the others that did, and erase what came since."""
    member, read = SharedErasures(store, "a", 30.0), store.soon.zrange
    wish = Wish(1, "default", "kitchen", None, time.time())

    async def late(*words: Any) -> list[bytes]:
        kept = await read(*words)
        assert await member.elsewhere(wish) == 0
        return kept  # type: ignore[return-value]

    async def take(_: Wish) -> dict[str, int]:
        raise AssertionError("it is being fulfilled already")

    with monkeypatch.context() as patched:
        patched.setattr(store.soon, "zrange", late)
        await member.look(take)
    await member.look(take)


async def test_a_bridge_that_is_silent_is_named_until_its_lease_is_over(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No proof without it while it runs; one that died holds no memory any more."""
    monkeypatch.setattr(shared_erasures, "_WAIT_S", 0.3)
    member = SharedErasures(store, "a", 30.0)
    await store.soon.set(worker_key("b"), b"1", ex=60)
    wish = Wish(1, "default", "kitchen", None, time.time())
    with pytest.raises(StoreError, match="not erased yet at b"):
        await member.elsewhere(wish)
    await store.soon.delete(worker_key("b"))
    assert await member.elsewhere(wish) == 0


async def test_a_bridge_that_begins_later_erases_its_history_up_to_the_wish(store: Store, tmp_path: Path) -> None:
    """What came after it stays; and the wish itself goes when the retention ends."""
    wish = Wish(1, "default", "kitchen", None, time.time() - 10)
    await SharedErasures(store, "a", 30.0).elsewhere(wish)
    history = filled(tmp_path / "late.sqlite", 20, 15, 5)
    late = SharedErasures(store, "late", 30.0)
    task = asyncio.create_task(housekeeping.erase_shared(history, nothing, late))
    await soon(lambda: history.count("kitchen") == 1)
    await end([task])
    history.close()
    seen: list[Wish] = []

    async def take(wish: Wish) -> dict[str, int]:
        seen.append(wish)
        return {}

    await SharedErasures(store, "much later", 5 / 86_400).look(take)
    assert seen == []
