"""Erasure: every store, every running bridge, and the proof."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from cloud_bridge import cli, erasure, forget, housekeeping
from cloud_bridge.erasure import Erasures, Wish
from cloud_bridge.history import History


def filled(path: Path) -> None:
    history = History(path)
    history.add_turn("kitchen", 1, time.time() - 5, 1, {}, words="my secret")
    history.add_turn("kitchen", 2, time.time() - 4, 2, {}, words="another's")
    history.add_turn("hall", 1, time.time() - 4, 1, {})
    history.close()


class Bridge:
    """Stands for a running one: confirms what it is asked, unless it hangs."""

    def __init__(self, path: Path, *, hangs: bool = False) -> None:
        self._erasures = Erasures(path)
        self._erasures.open("here:1")
        self._hangs = hangs
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._end.wait(0.05):
            for wish in self._erasures.open("here:1"):
                if not self._hangs:
                    self._erasures.fulfilled(wish, "here:1", {"exchanges": 3})

    def close(self) -> None:
        self._end.set()
        self._thread.join()
        self._erasures.close()


def test_a_device_is_erased_everywhere_and_looked_for_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command names what went from each store, waits for the running bridge, and says that nothing is left."""
    path = tmp_path / "h.sqlite"
    filled(path)
    bridge = Bridge(path)
    try:
        assert cli.main(["forget", "kitchen", "--history", str(path), "--json"]) == 0
    finally:
        bridge.close()
    found = json.loads(capsys.readouterr().out)
    assert found["history"] == {"removed": 2, "left": 0}
    assert found["bridges"] == {"here:1": {"exchanges": 3}}
    assert found["proved"]
    assert not any(b"secret" in file.read_bytes() for file in tmp_path.iterdir())
    history = History(path)
    assert history.count("hall") == 1
    history.close()


def test_one_person_is_erased_and_the_others_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By number; told in words for people."""
    path = tmp_path / "h.sqlite"
    filled(path)
    assert cli.main(["forget", "kitchen", "--person", "1", "--history", str(path)]) == 0
    assert "1 rows of person 1 of kitchen removed, 0 left" in capsys.readouterr().out
    history = History(path)
    assert history.count("kitchen") == 1
    history.close()


def test_a_bridge_that_does_not_confirm_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then nothing is proved, and the exit status says so."""
    monkeypatch.setattr(forget, "_WAIT_S", 0.3)
    path = tmp_path / "h.sqlite"
    filled(path)
    bridge = Bridge(path, hangs=True)
    try:
        assert cli.main(["forget", "kitchen", "--history", str(path)]) == 1
    finally:
        bridge.close()
    said = capsys.readouterr()
    assert "here:1 did not confirm" in said.err
    assert "NOT PROVED" in said.out


def test_a_bridge_that_begins_later_owes_nothing(tmp_path: Path) -> None:
    """It holds nothing of before; one that ended is not waited for."""
    path = tmp_path / "h.sqlite"
    filled(path)
    erasures = Erasures(path)
    wish = erasures.wish("default", "kitchen", None)
    assert erasures.open("late:2") == []
    assert erasures.answers(wish) == {"late:2": {}}
    erasures.ended("late:2")
    assert erasures.running() == set()
    erasures.sweep(time.time() + 1)
    assert erasures.answers(wish) == {}
    erasures.close()


def test_a_wish_in_the_instant_in_which_a_bridge_begins_is_not_lost(tmp_path: Path) -> None:
    """Who sees a bridge run may count on it: it never confirms unasked what it did not erase."""
    path = tmp_path / "h.sqlite"
    bridge, asker = Erasures(path), Erasures(path)
    for number in range(20):
        name, wishes = f"there:{number}", list[Wish]()

        def ask(name: str = name, wishes: list[Wish] = wishes) -> None:
            while name not in asker.running():
                pass
            wishes.append(asker.wish("default", "kitchen", None))

        asking = threading.Thread(target=ask)
        asking.start()
        bridge.open(name)
        asking.join()
        assert asker.answers(wishes[0]) == {}
        assert wishes[0] in bridge.open(name)
    bridge.close()
    asker.close()


def test_a_bridge_that_begins_again_under_its_old_name_owes_nothing_twice(tmp_path: Path) -> None:
    """A container's bridge is the first process each time: what it confirmed before is no obstacle."""
    path = tmp_path / "h.sqlite"
    erasures = Erasures(path)
    erasures.open("here:1")
    first = erasures.wish("default", "kitchen", None)
    erasures.fulfilled(first, "here:1", {"exchanges": 3})
    erasures.ended("here:1")
    second = erasures.wish("default", "kitchen", None)
    assert erasures.open("here:1") == []
    assert erasures.running() == {"here:1"}
    assert erasures.answers(first) == {"here:1": {"exchanges": 3}}
    assert erasures.answers(second) == {"here:1": {}}
    erasures.close()


def test_a_wish_that_is_swept_while_it_is_fulfilled_lends_its_proof_to_no_other(tmp_path: Path) -> None:
    """The next wish may get its number: it is open to every bridge."""
    erasures = Erasures(tmp_path / "h.sqlite")
    erasures.open("here:1")
    old = erasures.wish("default", "kitchen", None)
    assert erasures.open("here:1") == [old]
    erasures.sweep(old.at_s + 1e-3)
    erasures.fulfilled(old, "here:1", {"exchanges": 3})
    erasures.open("here:1")
    new = erasures.wish("default", "hall", None)
    assert new.id == old.id
    erasures.fulfilled(old, "here:1", {"exchanges": 3})
    assert erasures.answers(new) == {}
    assert erasures.open("here:1") == [new]
    erasures.close()


def test_no_history_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong path is not answered by an empty history and a false proof."""
    assert cli.main(["forget", "kitchen", "--history", str(tmp_path / "none.sqlite")]) == 2
    assert "no history at" in capsys.readouterr().err
    assert not (tmp_path / "none.sqlite").exists()


async def test_a_bridge_that_cannot_erase_now_is_still_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever failed: it says neither that it erased, nor that it runs no more, and tries again."""
    monkeypatch.setattr(housekeeping, "LOOK_S", 0.02)
    path = tmp_path / "h.sqlite"
    filled(path)
    history, erasures, tries = History(path), Erasures(path), 0

    async def erase(wish: Wish) -> dict[str, int]:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise ConnectionError("the shared store is away")
        return {"exchanges": 1}

    erasing = asyncio.create_task(housekeeping.erase(history, 30.0, erase))
    async with asyncio.timeout(10):
        while not erasures.running():  # noqa: ASYNC110 - told by the file alone
            await asyncio.sleep(0.02)
        wish = erasures.wish("default", "kitchen", None)
        while tries < 1:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        assert erasures.running()
        while not erasures.answers(wish):
            assert not erasing.done()
            await asyncio.sleep(0.02)
    erasing.cancel()
    await asyncio.gather(erasing, return_exceptions=True)
    erasures.close()
    history.close()


async def test_a_bridge_that_is_long_at_it_still_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model takes its time to forget; a second wish meanwhile must not be proved without this bridge."""
    monkeypatch.setattr(housekeeping, "LOOK_S", 0.05)
    monkeypatch.setattr(erasure, "_ALIVE_S", 0.5)
    path = tmp_path / "h.sqlite"
    filled(path)
    history, erasures, began = History(path), Erasures(path), asyncio.Event()

    async def erase(wish: Wish) -> dict[str, int]:
        began.set()
        await asyncio.sleep(30)
        return {}

    erasing = asyncio.create_task(housekeeping.erase(history, 30.0, erase))
    async with asyncio.timeout(10):
        while not erasures.running():  # noqa: ASYNC110 - told by the file alone
            await asyncio.sleep(0.02)
        erasures.wish("default", "kitchen", None)
        await began.wait()
        await asyncio.sleep(1.0)
        assert erasures.running()
    erasing.cancel()
    await asyncio.gather(erasing, return_exceptions=True)
    assert erasures.running() == set()
    erasures.close()
    history.close()


async def test_a_bridge_that_ends_while_it_looks_does_not_crash(tmp_path: Path) -> None:
    """A thread may still be at the file when the task that sent it is cancelled: it is waited for."""
    path = tmp_path / "h.sqlite"
    filled(path)
    erasures = Erasures(path)
    looks = [asyncio.create_task(asyncio.to_thread(erasures.open, f"there:{number}")) for number in range(20)]
    await asyncio.sleep(0)
    await asyncio.to_thread(erasures.close)
    found = await asyncio.gather(*looks, return_exceptions=True)
    assert all(one == [] or isinstance(one, sqlite3.ProgrammingError) for one in found)
