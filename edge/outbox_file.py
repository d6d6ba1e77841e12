"""The outbox's file: SQLite in WAL mode with `synchronous=FULL`, whose records can be found without SQLite, too.

Each record is framed (magic, id, length, envelope, checksum). A file that SQLite cannot read any more is searched for
frames, byte by byte, together with its log; what is whole goes into a fresh file, which takes the old one's place once
it is on disk: neither a full disk nor a power cut on the way costs a record. A record that had just been deleted may
come back that way: the bridge knows it and takes it only once.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import sqlite3
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from edge.errors import OutboxError, OutboxFull, OutboxInUse
from edge.wire import layout

log = logging.getLogger(__name__)

_MAGIC = b"\xf1mEn"
_HEAD = struct.Struct(">4sQH")  # magic, id, length of the envelope
_CRC = struct.Struct(">I")  # over everything before it
_PAGE = 4_096
_LOG_BYTES = 1 << 20  # size that the write-ahead log is cut back to

_SCHEMA = """
CREATE TABLE IF NOT EXISTS item (
    id INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,  -- monotonic time of put
    host INTEGER NOT NULL,  -- the start of the machine that at_ms counts from
    frame BLOB NOT NULL
)
"""


class Record(NamedTuple):
    """One kept envelope."""

    id: int
    at_ms: int
    host: int
    envelope: bytes


class Damaged(Exception):  # noqa: N818
    """The file is corrupt: `rescue` it."""


class OutboxFile:
    """One open file. `commit` is for one thread at a time; `read` for any."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self.path = path
        self._max_pages = 2 * max_bytes // _PAGE + 16
        self._claim = _claim(path)
        self.salvaged = 0
        self.damaged = 0  # records whose checksum was wrong
        try:
            try:
                self._open()
            except Damaged:
                self.rescue()
        except BaseException:
            self.close()
            raise

    def load(self) -> list[Record]:
        """All whole records, oldest first. Raises Damaged."""
        found, bad = [], []
        with _translated(self.path):
            for id_, at_ms, host, frame in self._db.execute("SELECT id, at_ms, host, frame FROM item ORDER BY id"):
                envelope = unframe(frame, id_)
                if envelope is None:
                    bad.append((id_,))
                else:
                    found.append(Record(id_, at_ms, host, envelope))
        if bad:
            self.damaged += len(bad)
            log.warning("outbox %s: %d records were damaged and are dropped", self.path, len(bad))
            self.commit((), [id_ for (id_,) in bad])
        return found

    def commit(self, puts: Iterable[Record], deletes: Iterable[int]) -> None:
        """Write both in one transaction; on disk when this returns. Raises OutboxFull (nothing changed) or Damaged."""
        with _translated(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany("DELETE FROM item WHERE id = ?", ((id_,) for id_ in deletes))
                self._db.executemany(
                    "INSERT OR REPLACE INTO item VALUES (?, ?, ?, ?)",
                    ((r.id, r.at_ms, r.host, frame(r.id, r.envelope)) for r in puts),
                )
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def read(self, ids: list[int]) -> dict[int, bytes]:
        """The envelopes of `ids` that are there and whole. Raises Damaged."""
        marks = ",".join("?" * len(ids))
        with _translated(self.path):
            rows = self._reader.execute(f"SELECT id, frame FROM item WHERE id IN ({marks})", ids).fetchall()  # noqa: S608
        return {id_: body for id_, blob in rows if (body := unframe(blob, id_)) is not None}

    def rescue(self) -> list[Record]:
        """Begin a fresh file with all that could be found in the damaged one, and return that.

        Raises OutboxFull or OutboxError when it cannot be written; the damaged one stays then, to be tried again.
        """
        self._shut()
        found: dict[int, bytes] = {}
        for part in (self.path, self._beside("-wal")):
            with contextlib.suppress(OSError):
                found.update(search(part.read_bytes()))
        records = [Record(id_, 0, 0, body) for id_, body in sorted(found.items())]
        with _translated(self.path):
            self._write_fresh(records)
            self._finish()
        self._open()
        self.salvaged += len(records)
        log.warning("outbox %s was corrupt: %d envelopes were saved from it", self.path, len(records))
        return records

    def _write_fresh(self, records: list[Record]) -> None:
        """A whole file of `records` beside the damaged one: `….new` is there once all of it is on disk."""
        begun = self._beside(".begun")
        for end in ("", "-wal", "-shm"):
            Path(f"{begun}{end}").unlink(missing_ok=True)
        self._db = self._connect(begun)
        self.commit(records, ())
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._db.close()
        _sync(begun)
        begun.replace(self._beside(".new"))
        _sync(self.path.parent)

    def _finish(self) -> None:
        """Put a rescue's fresh file, where there is a whole one, in the damaged one's place."""
        fresh = self._beside(".new")
        if not fresh.exists():
            return
        for end in ("-wal", "-shm"):  # of the damaged one: the fresh file holds what could be found in it
            self._beside(end).unlink(missing_ok=True)
        fresh.replace(self.path)
        _sync(self.path.parent)

    def _beside(self, end: str) -> Path:
        return Path(f"{self.path}{end}")

    def close(self) -> None:
        """Idempotent."""
        self._shut()
        if self._claim >= 0:
            os.close(self._claim)
            self._claim = -1

    def _open(self) -> None:
        with _translated(self.path):
            self._finish()  # a power cut may have come between
            self._db = self._connect(self.path)
            if self._db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                raise Damaged(str(self.path))
            self._reader = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            self._reader.execute("SELECT 1 FROM item LIMIT 1")

    def _connect(self, path: Path) -> sqlite3.Connection:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        layout.check_database(db)
        for pragma in (
            f"page_size={_PAGE}",
            "journal_mode=WAL",
            "synchronous=FULL",
            f"max_page_count={self._max_pages}",
            "wal_autocheckpoint=200",
            f"journal_size_limit={_LOG_BYTES}",
            "secure_delete=ON",  # what was felt does not stay in free pages
        ):
            db.execute(f"PRAGMA {pragma}")
        db.execute(_SCHEMA)
        return db

    def _shut(self) -> None:
        for name in ("_reader", "_db"):
            if (db := getattr(self, name, None)) is not None:
                with contextlib.suppress(sqlite3.Error):
                    db.close()


def frame(id_: int, envelope: bytes) -> bytes:
    """`envelope` as it lies in the file."""
    body = _HEAD.pack(_MAGIC, id_, len(envelope)) + envelope
    return body + _CRC.pack(zlib.crc32(body))


def unframe(blob: bytes, id_: int) -> bytes | None:
    """The envelope in `blob`, or None where it is not whole or not the one with `id_`."""
    found = dict(search(blob))
    return found.get(id_)


def search(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Every whole frame in `data`: (id, envelope)."""
    at = data.find(_MAGIC)
    while at >= 0:
        end = at + _HEAD.size
        if end <= len(data):
            _, id_, size = _HEAD.unpack_from(data, at)
            end += size
            if end + _CRC.size <= len(data) and _CRC.unpack_from(data, end)[0] == zlib.crc32(data[at:end]):
                yield id_, data[end - size : end]
        at = data.find(_MAGIC, at + 1)


def _sync(path: Path) -> None:
    """Have a file, or the names in a folder, on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _translated(path: Path) -> Iterator[None]:
    """SQLite's errors as ours."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or "malformed" in str(error):
            raise Damaged(str(path)) from error
        if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY):
            raise OutboxFull(f"the disk of the outbox {path} takes nothing ({error}): free some space on it") from error
        raise OutboxError(f"the outbox {path} cannot be used: {error}") from error
    except OSError as error:
        raise OutboxError(f"the outbox {path} cannot be used ({error.strerror}): give a writable path") from error


def _claim(path: Path) -> int:
    """Lock the outbox against a second process; the lock ends with this process, however it ends."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        claim = os.open(f"{path}.lock", os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise OutboxError(f"the outbox {path} cannot be made ({error.strerror}): give a writable path") from error
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(claim)
        raise OutboxInUse(f"the outbox {path} is in use by another process: stop it, or give another path") from error
    return claim
