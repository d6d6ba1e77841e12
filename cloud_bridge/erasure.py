"""Wishes to erase, and their fulfilment by every bridge that runs on the same history.

A wish stands in the history's file; each running bridge sees it within half a second, erases what it holds in memory,
and confirms what it found. Wishes hold no more than a name, and go with the history's retention.
"""

from __future__ import annotations

import json
import socket
import sqlite3
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloud_bridge.errors import SettingError
from edge.wire import layout

LOOK_S = 0.5  # between two looks of a running bridge
_ALIVE_S = 3.0  # a bridge that was not heard of for so long does not run

_SCHEMA = """
CREATE TABLE IF NOT EXISTS erasure (id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, device TEXT NOT NULL,
    person INTEGER, at_s REAL NOT NULL);
CREATE TABLE IF NOT EXISTS erased (erasure INTEGER NOT NULL, bridge TEXT NOT NULL, found TEXT NOT NULL,
    PRIMARY KEY (erasure, bridge));
CREATE TABLE IF NOT EXISTS bridge (name TEXT PRIMARY KEY, at_s REAL NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Wish:
    """Erase what is kept of `device`, or of one `person` in front of it."""

    id: int
    tenant: str
    device: str
    person: int | None
    at_s: float  # seconds since 1970


class Erasures:
    """The wishes in the history's file at `path`. Raises SettingError where it cannot be used."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        try:
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=5.0)
            layout.check_database(self._db)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise SettingError(f"the history at {path} cannot be used ({error})") from error

    def close(self) -> None:
        """Let go of the file, once nobody is at it."""
        with self._lock:
            self._db.close()

    def _do(self, query: str, values: tuple[Any, ...] = ()) -> list[Any]:
        with self._lock:  # one thread at a time: closing under another one's feet ends the process
            return self._db.execute(query, values).fetchall()

    # ------------------------------------------------------------ who wishes

    def wish(self, tenant: str, device: str, person: int | None) -> Wish:
        """Ask every bridge to erase."""
        query = "INSERT INTO erasure (tenant, device, person, at_s) VALUES (?, ?, ?, ?)"
        now_s = time.time()
        with self._lock:
            number = self._db.execute(query, (tenant, device, person, now_s)).lastrowid
        assert number is not None
        return Wish(number, tenant, device, person, now_s)

    def running(self) -> set[str]:
        """The bridges that run on this history now: those heard of, and those of this machine whose process lives."""
        rows = self._do("SELECT name, at_s FROM bridge")
        heard_s = time.time() - _ALIVE_S
        return {str(name) for name, at_s in rows if at_s > heard_s or _lives(str(name))}

    def answers(self, wish: Wish) -> dict[str, dict[str, int]]:
        """Bridge → what it found and erased."""
        rows = self._do("SELECT bridge, found FROM erased WHERE erasure = ?", (wish.id,))
        return {str(bridge): json.loads(found) for bridge, found in rows}

    # ------------------------------------------------------------ a running bridge

    def open(self, bridge: str) -> list[Wish]:
        """The wishes that `bridge` has not fulfilled; tells, too, that it runs."""
        if not self._do("SELECT 1 FROM bridge WHERE name = ?", (bridge,)):
            self._begin(bridge)
            return []
        self.alive(bridge)
        query = (
            "SELECT id, tenant, device, person, at_s FROM erasure "
            "WHERE id NOT IN (SELECT erasure FROM erased WHERE bridge = ?)"
        )
        return [Wish(*row) for row in self._do(query, (bridge,))]

    def _begin(self, bridge: str) -> None:
        """Of what was wished before it began, `bridge` holds nothing; it is seen to run from the same instant on.

        In two steps, a wish that came in between, from one who saw it run, would count as fulfilled.
        """
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("INSERT OR IGNORE INTO erased SELECT id, ?, '{}' FROM erasure", (bridge,))
            self._db.execute("INSERT INTO bridge VALUES (?, ?)", (bridge, time.time()))

    def alive(self, bridge: str) -> None:
        """`bridge` still runs, however long a wish takes it."""
        self._do("UPDATE bridge SET at_s = ? WHERE name = ?", (time.time(), bridge))

    def fulfilled(self, wish: Wish, bridge: str, found: Mapping[str, int]) -> None:
        """`bridge` erased what it held. Of a wish that was swept meanwhile nothing is noted: its number comes again."""
        self._do(
            "INSERT OR REPLACE INTO erased SELECT id, ?, ? FROM erasure WHERE id = ? AND at_s = ?",
            (bridge, json.dumps(found), wish.id, wish.at_s),
        )

    def ended(self, bridge: str) -> None:
        """`bridge` ends; it holds nothing any more."""
        self._do("DELETE FROM bridge WHERE name = ?", (bridge,))

    def sweep(self, before_s: float) -> None:
        """Drop wishes from before `before_s`, each with who fulfilled it: the next wish may get its number."""
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("DELETE FROM erased WHERE erasure IN (SELECT id FROM erasure WHERE at_s < ?)", (before_s,))
            self._db.execute("DELETE FROM erasure WHERE at_s < ?", (before_s,))
            self._db.execute("DELETE FROM bridge WHERE at_s < ?", (before_s,))


def _lives(bridge: str) -> bool:
    """Whether `bridge` (HOST:PID) is a process of this machine that may only be slow."""
    host, _, pid = bridge.rpartition(":")
    return host == socket.gethostname() and Path(f"/proc/{pid}").is_dir()
