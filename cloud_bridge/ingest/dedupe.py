"""From at-least-once to exactly-once: the record of which envelopes the application took.

A device sends an envelope again until it is acknowledged, and an acknowledgement is sent only after the record is on
disk. The record of a boot is a set of intervals of sequence numbers, so that it stays a few rows however long the
device talks. One writer thread commits whatever has gathered while the commit before was running (group commit).
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator
from pathlib import Path

from cloud_bridge.errors import SettingError

log = logging.getLogger(__name__)

KEEP_DAYS = 90  # the record of a boot that was silent so long is forgotten

_SCHEMA = """
CREATE TABLE IF NOT EXISTS seen (device TEXT, boot INTEGER, lo INTEGER, hi INTEGER, day INTEGER,
    PRIMARY KEY (device, boot, lo)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS effect (id INTEGER PRIMARY KEY AUTOINCREMENT, device TEXT NOT NULL, boot INTEGER NOT NULL,
    seq INTEGER NOT NULL, body BLOB NOT NULL, UNIQUE (device, boot, seq));
"""


class Intervals:
    """A set of whole numbers that are mostly consecutive, as sorted [lo, hi] pairs."""

    def __init__(self, pairs: list[tuple[int, int]] | None = None) -> None:
        self._lo = [lo for lo, _ in pairs or []]
        self._hi = [hi for _, hi in pairs or []]

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._lo, number) - 1
        return at >= 0 and number <= self._hi[at]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(zip(self._lo, self._hi, strict=True))

    def add(self, number: int) -> None:
        """Put `number` in; joined with its neighbours."""
        if number in self:
            return
        at = bisect_right(self._lo, number)
        left = at > 0 and self._hi[at - 1] == number - 1
        right = at < len(self._lo) and self._lo[at] == number + 1
        if left and right:
            self._hi[at - 1] = self._hi.pop(at)
            del self._lo[at]
        elif left:
            self._hi[at - 1] = number
        elif right:
            self._lo[at] = number
        else:
            self._lo.insert(at, number)
            self._hi.insert(at, number)


class Dedupe:
    """The record, in SQLite at `path`, or in memory alone when that is None (for a trial: forgotten at exit).

    Call everything but `effects` from one thread (the event loop's). Raises SettingError when the file cannot be used.
    """

    def __init__(self, path: Path | None) -> None:
        self._seen: dict[tuple[str, int], Intervals] = {}
        self._batch: list[tuple[str, int, int, bytes | None, Callable[[], None]]] = []
        self._wake = threading.Condition()
        self._closing = False
        self._failed: str | None = None
        try:
            self._db = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)
            self._db.execute("DELETE FROM seen WHERE day < ?", (_today() - KEEP_DAYS,))
        except sqlite3.Error as error:
            raise SettingError(
                f"the record of seen envelopes at {path} cannot be used ({error}): give a writable file, or move this "
                "one away and accept that envelopes sent again are taken twice"
            ) from error
        self._lock = threading.Lock()  # one user of the connection at a time
        self._thread = threading.Thread(target=self._write, name="dedupe", daemon=True)
        self._thread.start()

    def seen(self, device: str, boot: int, seq: int) -> bool:
        """Whether this envelope was recorded, be it on disk yet or not."""
        return seq in self._of(device, boot)

    def record(self, device: str, boot: int, seq: int, effect: bytes | None, done: Callable[[], None]) -> None:
        """Remember the envelope; `done` is called on the writer's thread once it is on disk, after every earlier one's.

        A number that is already recorded changes nothing, but its `done` comes only when it is on disk, too.
        """
        self._of(device, boot).add(seq)
        with self._wake:
            self._batch.append((device, boot, seq, effect, done))
            self._wake.notify()

    def effects(self, after: int = 0, limit: int = 1_000) -> list[tuple[int, bytes]]:
        """What `Handler.received` returned, in order: (id, bytes) of the first `limit` with an id above `after`."""
        with self._lock:
            rows = self._db.execute("SELECT id, body FROM effect WHERE id > ? ORDER BY id LIMIT ?", (after, limit))
            return [(int(row[0]), bytes(row[1])) for row in rows]

    @property
    def failed(self) -> str | None:
        """Why nothing is recorded (and so nothing acknowledged) now, or None."""
        return self._failed

    def close(self) -> None:
        """Write what is waiting, and end. Idempotent."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()
        self._db.close()

    def _of(self, device: str, boot: int) -> Intervals:
        found = self._seen.pop((device, boot), None)
        if found is None:
            if len(self._seen) >= 100_000:  # boots held in memory; the rest is on disk
                self._seen.pop(next(iter(self._seen)))
            with self._lock:
                query = "SELECT lo, hi FROM seen WHERE device = ? AND boot = ? ORDER BY lo"
                rows = self._db.execute(query, (device, _signed(boot))).fetchall()
            found = Intervals(rows)
        self._seen[device, boot] = found  # last: the one used longest ago is forgotten first
        return found

    def _write(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._batch or self._closing)
                batch, self._batch = self._batch, []
                if not batch:
                    return
            while not self._commit(batch):
                with self._wake:
                    if self._wake.wait_for(lambda: self._closing, timeout=1.0):
                        return
            for *_, done in batch:
                done()

    def _commit(self, batch: list[tuple[str, int, int, bytes | None, Callable[[], None]]]) -> bool:
        try:
            with self._lock:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    for device, boot, seq, effect, _ in batch:
                        self._insert(device, _signed(boot), seq, effect)
                except BaseException:
                    self._db.execute("ROLLBACK")
                    raise
                self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._failed is None:
                log.error("envelopes are not recorded, so not acknowledged: %s; retrying every second", error)
            self._failed = str(error)
            return False
        self._failed = None
        return True

    def _insert(self, device: str, boot: int, seq: int, effect: bytes | None) -> None:
        at = "FROM seen WHERE device = ? AND boot = ? AND"
        if self._db.execute(f"SELECT 1 {at} lo <= ? AND hi >= ?", (device, boot, seq, seq)).fetchone():
            return
        # `hi` has no index of its own: the nearest interval below is the last one that begins at or before it.
        left = self._db.execute(f"SELECT lo, hi {at} lo < ? ORDER BY lo DESC LIMIT 1", (device, boot, seq)).fetchone()
        right = self._db.execute(f"SELECT hi {at} lo = ?", (device, boot, seq + 1)).fetchone()
        lo = left[0] if left and left[1] == seq - 1 else seq
        hi = right[0] if right else seq
        if right:
            self._db.execute(f"DELETE {at} lo = ?", (device, boot, seq + 1))
        self._db.execute("INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?, ?)", (device, boot, lo, hi, _today()))
        if effect is not None:
            self._db.execute(
                "INSERT INTO effect (device, boot, seq, body) VALUES (?, ?, ?, ?)", (device, boot, seq, effect)
            )


def _signed(boot: int) -> int:
    """SQLite's integers are signed."""
    return boot - (1 << 64) if boot >= 1 << 63 else boot


def _today() -> int:
    return int(time.time() // 86_400)
