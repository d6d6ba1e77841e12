"""What happened on each device, kept for a while: states, turns, events, presence. SQLite, written behind.

What a person said, and what was answered, is kept only where the person agreed (`Envelope.keep_words`), and so is how
they were (`Envelope.keep_states`): see `cloud_bridge.record`. Rows are
written by a thread of this object in groups; a reader in another process sees them within half a second. Deleted rows
are overwritten on disk (`secure_delete`), and the write-ahead log is emptied after an erasure.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict

from cloud_bridge.errors import BridgeError, SettingError
from cloud_bridge.ingest.dedupe import transaction
from edge.wire import layout, mien_pb2

log = logging.getLogger(__name__)

KEEP_DAYS = 30.0
_GROUP_S = 0.25  # rows gather for so long before they are written
_EMPTY_S = 5.0  # for the log to be free
_WAITING = 20_000  # rows; what comes beyond that while the disk is slow is dropped and counted

_SCHEMA = """
CREATE TABLE IF NOT EXISTS item (id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, device TEXT NOT NULL,
    person INTEGER, at_s REAL NOT NULL, kind TEXT NOT NULL, turn INTEGER, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS item_by_time ON item (tenant, device, at_s);
CREATE INDEX IF NOT EXISTS item_by_age ON item (at_s);
"""

_Row = tuple[str, str, int | None, float, str, int | None, bytes]  # tenant, device, person, at_s, kind, turn, body


class History:
    """The record at `path`; None: in memory alone. Any thread may call any method; the `add_…` ones never wait.

    Raises SettingError where the file cannot be used.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.dropped = 0
        self._rows: list[_Row] = []
        self._wake = threading.Condition()
        self._closing = False
        self._lock = threading.Lock()  # one user of the connection at a time
        try:
            if path is not None:  # before SQLite makes its log beside the file, with the file's mode
                path.touch(0o600)
                path.chmod(0o600)
            self._db = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None, timeout=5.0)
            layout.check_database(self._db)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute("PRAGMA secure_delete=ON")
            self._db.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise SettingError(
                f"the history at {path} cannot be used ({error}): give a writable file by --history, or `none`"
            ) from error
        self._thread = threading.Thread(target=self._write, name="history", daemon=True)
        self._thread.start()

    # ------------------------------------------------------------ writing

    def add_state(
        self, device: str, person: int, t_utc_s: float, state: mien_pb2.State, *, tenant: str = "default"
    ) -> None:
        """A person's state at `t_utc_s` (seconds since 1970)."""
        self._add((tenant, device, person, t_utc_s, "state", None, state.SerializeToString()))

    def add_description(
        self, device: str, person: int, t_utc_s: float, lines: mien_pb2.Description, *, tenant: str = "default"
    ) -> None:
        """What the device put in words of a state."""
        self._add((tenant, device, person, t_utc_s, "description", None, lines.SerializeToString()))

    def add_turn(
        self,
        device: str,
        person: int | None,
        t_utc_s: float,
        turn: int,
        facts: Mapping[str, Any],
        *,
        words: str | None = None,
        answer: str | None = None,
        tenant: str = "default",
    ) -> None:
        """An answered turn. `facts`: tone, outcome, stages …, never content; `words` and `answer` only with consent."""
        body: dict[str, Any] = {"turn": turn, **facts}
        body |= {name: text for name, text in (("words", words), ("answer", answer)) if text is not None}
        self._add((tenant, device, person, t_utc_s, "turn", turn, _packed(body)))

    def add_event(
        self,
        device: str,
        person: int | None,
        t_utc_s: float,
        kind: str,
        facts: Mapping[str, Any],
        *,
        turn: int | None = None,
        tenant: str = "default",
    ) -> None:
        """Anything else that happened: `event` (a rule fired), `stages`, `link`, `health`, `handover` …"""
        self._add((tenant, device, person, t_utc_s, kind, turn, _packed(facts)))

    def _add(self, row: _Row) -> None:
        with self._wake:
            if self._closing or len(self._rows) >= _WAITING:
                self.dropped += 1
                return
            self._rows.append(row)

    def flush(self) -> None:
        """Write what is waiting, now; what another thread is just writing is written, too, when this returns."""
        with self._lock:
            self._write_rows()

    def _write_rows(self) -> bool:
        """As `flush`, for who has the lock: rows are never out of both list and file. False: they wait still."""
        with self._wake:
            rows, self._rows = self._rows, []
        if not rows:
            return True
        query = "INSERT INTO item (tenant, device, person, at_s, kind, turn, body) VALUES (?, ?, ?, ?, ?, ?, ?)"
        try:
            with transaction(self._db):
                self._db.executemany(query, rows)
        except Exception as error:  # of any kind: the thread that writes must not end
            busy = isinstance(error, sqlite3.Error) and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            with self._wake:  # another process is at the file: they wait, as far as there is room
                kept = rows[: max(0, _WAITING - len(self._rows))] if busy else []
                self._rows[:0] = kept
            lost = len(rows) - len(kept)
            self.dropped += lost
            if lost:
                log.error("%d rows of the history were not written: %s", lost, error)
            return not kept
        return True

    def _write(self) -> None:
        while True:
            with self._wake:
                if self._wake.wait_for(lambda: self._closing, _GROUP_S):
                    return
            self.flush()

    def close(self) -> None:
        """Write what is waiting, and end; what cannot be written is counted as dropped. Idempotent."""
        with self._wake:
            if self._closing:
                return
            self._closing = True
            self._wake.notify()
        self._thread.join()
        self.flush()
        with self._wake:
            lost, self._rows = len(self._rows), []
        if lost:
            self.dropped += lost
            log.error("%d rows of the history were not written: another process held the file to the end", lost)
        with self._lock:  # closing under another thread's feet ends the process
            self._db.close()

    # ------------------------------------------------------------ reading

    def devices(self, *, tenant: str = "default") -> list[dict[str, Any]]:
        """`device`, `first_s`, `last_s` (since 1970) and `rows` of each device that something is kept of."""
        query = "SELECT device, MIN(at_s), MAX(at_s), COUNT(*) FROM item WHERE tenant = ? GROUP BY device"
        names = ("device", "first_s", "last_s", "rows")
        return [dict(zip(names, row, strict=True)) for row in self._read(query, (tenant,))]

    def timeline(
        self,
        device: str,
        since_s: float = 0.0,
        until_s: float = float("inf"),
        *,
        kinds: tuple[str, ...] = (),
        turn: int | None = None,
        limit: int = 10_000,
        tenant: str = "default",
    ) -> list[dict[str, Any]]:
        """What happened, oldest first: `at_s`, `kind`, `person` and the facts of each; the newest `limit` of them."""
        query = "SELECT at_s, kind, person, body FROM item WHERE tenant = ? AND device = ? AND at_s BETWEEN ? AND ?"
        values: list[Any] = [tenant, device, since_s, until_s]
        if kinds:
            query += f" AND kind IN ({', '.join('?' * len(kinds))})"
            values += kinds
        if turn is not None:
            query += " AND turn = ?"
            values.append(turn)
        rows = self._read(f"{query} ORDER BY at_s DESC, id DESC LIMIT ?", (*values, limit))
        return [
            {"at_s": at_s, "kind": kind, "person": person, **_unpacked(kind, body)}
            for at_s, kind, person, body in reversed(rows)
        ]

    def _read(self, query: str, values: tuple[Any, ...]) -> list[Any]:
        with self._lock:
            return self._db.execute(query, values).fetchall()

    # ------------------------------------------------------------ forgetting

    name = "history"

    def count(self, device: str, person: int | None = None, *, tenant: str = "default") -> int:
        """Rows that are kept of `device`, or of one person in front of it."""
        query, values = _about("SELECT COUNT(*) FROM item", tenant, device, person)
        return int(self._read(query, values)[0][0])

    def left_before(self, device: str, person: int | None, at_s: float, *, tenant: str = "default") -> int:
        """Rows of before `at_s` that are still kept."""
        query, values = _about("SELECT COUNT(*) FROM item", tenant, device, person)
        return int(self._read(f"{query} AND at_s < ?", (*values, at_s))[0][0])

    def forget(
        self, device: str, person: int | None = None, *, tenant: str = "default", before_s: float = float("inf")
    ) -> int:
        """Erase all of `device` before `before_s`, or of one person in front of it, from the file too. How many went.

        Raises BridgeError where another process keeps the newest rows from the file, so that they could come after it;
        or keeps the log from being emptied: the rows went, their bytes did not yet."""
        query, values = _about("DELETE FROM item", tenant, device, person)
        with self._lock:
            if not self._write_rows():
                raise BridgeError("another process is at the history, whose newest rows wait for it: try again")
            gone = self._db.execute(f"{query} AND at_s < ?", (*values, before_s)).rowcount
            self._empty_log()
        return gone

    def sweep(self, now_s: float | None = None, *, keep_days: float = KEEP_DAYS) -> int:
        """Erase what is older than `keep_days`. How many rows went. Raises BridgeError as `forget` does."""
        self.flush()
        before_s = (time.time() if now_s is None else now_s) - keep_days * 86_400
        with self._lock:
            gone = self._db.execute("DELETE FROM item WHERE at_s < ?", (before_s,)).rowcount
            self._empty_log()
        return gone

    def _empty_log(self) -> None:
        """The log held what was erased, too."""
        until_s = time.monotonic() + _EMPTY_S
        while self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            if time.monotonic() > until_s:
                raise BridgeError("the history's log is being read and still holds what was erased: try again")
            time.sleep(0.02)  # another process may be at it, which SQLite does not wait for


def _about(query: str, tenant: str, device: str, person: int | None) -> tuple[str, tuple[Any, ...]]:
    query += " WHERE tenant = ? AND device = ?"
    if person is None:
        return query, (tenant, device)
    # A voice without a face (0, or a turn of nobody known) may be theirs.
    return query + " AND (person IN (?, 0) OR person IS NULL AND kind = 'turn')", (tenant, device, person)


def _packed(facts: Mapping[str, Any]) -> bytes:
    return json.dumps(facts, ensure_ascii=False, separators=(",", ":")).encode()


def _unpacked(kind: str, body: bytes) -> dict[str, Any]:
    if kind == "state":
        return {"state": MessageToDict(mien_pb2.State.FromString(body), preserving_proto_field_name=True)}
    if kind == "description":
        return {"lines": MessageToDict(mien_pb2.Description.FromString(body), preserving_proto_field_name=True)}
    found: dict[str, Any] = json.loads(body)
    return found
