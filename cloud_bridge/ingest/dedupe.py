"""From at-least-once to exactly-once: the record of which envelopes the application took.

A device sends an envelope again until it is acknowledged, and an acknowledgement is sent only after the record is on
disk. The record of a boot is a set of intervals of sequence numbers, so that it stays a few rows however long the
device talks. One writer thread commits whatever has gathered while the commit before was running (group commit), and
runs the application's effects in that same transaction (docs/adr/0006).
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from cloud_bridge.errors import SettingError
from cloud_bridge.ingest.base import Effect
from cloud_bridge.ingest.writer import Writer
from edge.wire import layout

log = logging.getLogger(__name__)

KEEP_DAYS = 90  # of use: the record of a boot that was silent on so many is forgotten

_SCHEMA = """
CREATE TABLE IF NOT EXISTS seen (device TEXT, boot INTEGER, lo INTEGER, hi INTEGER, day INTEGER,
    PRIMARY KEY (device, boot, lo)) WITHOUT ROWID;
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

    def add(self, number: int) -> int | None:
        """Put `number` in; joined with its neighbours. Where the interval goes on that begins at the answer, and no
        other one is touched; None in all other cases."""
        if number in self:
            return None
        at = bisect_right(self._lo, number)
        left = at > 0 and self._hi[at - 1] == number - 1
        right = at < len(self._lo) and self._lo[at] == number + 1
        if left and right:
            self._hi[at - 1] = self._hi.pop(at)
            del self._lo[at]
        elif left:
            self._hi[at - 1] = number
            return self._lo[at - 1]
        elif right:
            self._lo[at] = number
        else:
            self._lo.insert(at, number)
            self._hi.insert(at, number)
        return None


_Entry = tuple[str, int, int, "Effect | None", "int | None"]  # device, boot, seq, effect, what `Intervals.add` said
_WRONG = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_MISUSE)

# Days on which something was taken are counted, not the time since: a clock that is a year ahead once, or begins in
# 1970, makes nothing forgotten.
_FORGET = (
    "DELETE FROM seen WHERE day < (SELECT min(day) FROM (SELECT DISTINCT day FROM seen ORDER BY day DESC LIMIT ?))"
)
_EXTEND = "UPDATE seen SET hi = ?, day = ? WHERE device = ? AND boot = ? AND lo = ? AND hi = ?"


class Dedupe:
    """The record, in SQLite at `path`, or in memory alone when that is None (for a trial: forgotten at exit).

    Call it from one thread (the event loop's). `effects_failed` counts effects that raised. Raises SettingError when
    the file cannot be used.
    """

    def __init__(self, path: Path | None) -> None:
        self._seen: dict[tuple[str, int], Intervals] = {}
        self.effects_failed = 0
        try:
            if path is not None:  # before SQLite makes its log beside the file, with the file's mode
                path.touch(0o600)
                path.chmod(0o600)
            self._db = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None)
            layout.check_database(self._db)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)
            self._db.execute(_FORGET, (KEEP_DAYS,))
            # Of its own, so that a device that connects does not wait for a commit.
            self._reader = sqlite3.connect(path, check_same_thread=False, isolation_level=None) if path else self._db
        except (OSError, sqlite3.Error) as error:
            raise SettingError(
                f"the record of seen envelopes at {path} cannot be used ({error}): give a writable file, or move this "
                "one away and accept that envelopes sent again are taken twice"
            ) from error
        self._lock = threading.Lock()  # one user of the connection at a time
        self._writer: Writer[_Entry] = Writer("dedupe", self._commit, outage=(sqlite3.Error,))

    def seen(self, device: str, boot: int, seq: int) -> bool:
        """Whether this envelope was recorded, be it on disk yet or not."""
        return seq in self._of(device, boot)

    def record(self, device: str, boot: int, seq: int, effect: Effect | None, done: Callable[[], None]) -> None:
        """Remember the envelope; `done` is called on the writer's thread once it is on disk, after every earlier one's.

        A number that is already recorded changes nothing, but its `done` comes only when it is on disk, too.
        """
        goes_on = self._of(device, boot).add(seq)
        self._writer.put((device, boot, seq, effect, goes_on), done)

    @property
    def failed(self) -> str | None:
        """Why nothing is recorded (and so nothing acknowledged) now, or None."""
        return self._writer.failed

    def close(self) -> None:
        """Write what is waiting, and end. Idempotent."""
        self._writer.close()
        self._reader.close()
        self._db.close()

    def _of(self, device: str, boot: int) -> Intervals:
        found = self._seen.pop((device, boot), None)
        if found is None:
            if len(self._seen) >= 100_000:  # boots held in memory; the rest is on disk
                self._seen.pop(next(iter(self._seen)))
            waiting = self._writer.open()  # before the disk is asked, or what is written in between would be in neither
            with self._lock if self._reader is self._db else nullcontext():
                query = "SELECT lo, hi FROM seen WHERE device = ? AND boot = ? ORDER BY lo"
                rows = self._reader.execute(query, (device, _signed(boot))).fetchall()
            found = Intervals(rows)
            for whose, when, seq, *_ in waiting:
                if (whose, when) == (device, boot):
                    found.add(seq)
        self._seen[device, boot] = found  # last: the one used longest ago is forgotten first
        return found

    def _commit(self, batch: list[_Entry]) -> None:
        new: dict[tuple[str, int], Intervals] = {}
        starts: dict[tuple[str, int], set[int | None]] = {}
        for device, boot, seq, _, goes_on in batch:
            new.setdefault((device, boot), Intervals()).add(seq)
            starts.setdefault((device, boot), set()).add(goes_on)
        with self._lock, transaction(self._db):
            known = {key: self._known(*key, new[key]) for key in {(d, b) for d, b, _, effect, _ in batch if effect}}
            self._write(new, starts)
            for device, boot, seq, effect, _ in batch:
                if effect is not None and seq not in known[device, boot]:
                    self._run(effect)
                    known[device, boot].add(seq)

    def _write(self, new: dict[tuple[str, int], Intervals], starts: dict[tuple[str, int], set[int | None]]) -> None:
        """Put all of `new` in. The usual case is a step on from a row that is known: half the work of a merge."""
        steps, merges = [], []
        for (device, boot), numbers in new.items():
            runs, (start, *more) = list(numbers), starts[device, boot]
            if start is None or more:
                merges += [(device, _signed(boot), *run) for run in runs]
            else:  # each number went on where the one before ended, so they are one run
                ((lo, hi),) = runs
                steps.append((hi, _today(), device, _signed(boot), start, lo - 1))
        if self._db.executemany(_EXTEND, steps).rowcount < len(steps):  # a row is not as this bridge left it
            merges += [(device, boot, before + 1, hi) for hi, _, device, boot, _, before in steps]
        for merge in merges:
            self._merge(*merge)

    def _known(self, device: str, boot: int, numbers: Intervals) -> Intervals:
        """What of `numbers`, and beside them, is on disk already."""
        at = (device, _signed(boot))
        return Intervals(sorted({row for run in numbers for row in self._touching(*at, *run)}))

    def _touching(self, device: str, boot: int, lo: int, hi: int) -> list[tuple[int, int]]:
        """The intervals on disk that lo … hi overlaps or joins."""
        found = []
        query = "SELECT lo, hi FROM seen WHERE device = ? AND boot = ? AND lo <= ? ORDER BY lo DESC"
        for row in self._db.execute(query, (device, boot, hi + 1)):
            if row[1] < lo - 1:
                break
            found.append((row[0], row[1]))
        return found

    def _merge(self, device: str, boot: int, lo: int, hi: int) -> None:
        """Put lo … hi in, joined with what it touches."""
        found = self._touching(device, boot, lo, hi)
        ends = [(lo, hi), *found]
        row = (min(end[0] for end in ends), max(end[1] for end in ends))
        for old, _ in found:
            self._db.execute("DELETE FROM seen WHERE device = ? AND boot = ? AND lo = ?", (device, boot, old))
        self._db.execute("INSERT INTO seen VALUES (?, ?, ?, ?, ?)", (device, boot, *row, _today()))

    def _run(self, effect: Effect) -> None:
        """The effect, undone as a whole where the application's code is wrong; a disk that fails undoes the batch."""
        self._db.execute("SAVEPOINT effect")
        try:
            effect(self._db)
        except Exception as error:  # the application is not ours; its message may hold words
            if isinstance(error, sqlite3.Error) and error.sqlite_errorcode & 0xFF not in _WRONG:
                raise
            self._db.execute("ROLLBACK TO effect")
            self.effects_failed += 1
            log.error("an effect of the application failed: %s", type(error).__name__)
        self._db.execute("RELEASE effect")


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """The block's writes together or not at all."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # a full disk has undone it already
            db.execute("ROLLBACK")
        raise


def _signed(boot: int) -> int:
    """SQLite's integers are signed."""
    return boot - (1 << 64) if boot >= 1 << 63 else boot


def _today() -> int:
    return int(time.time() // 86_400)
