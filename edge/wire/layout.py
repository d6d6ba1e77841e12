"""Which layout a file of state has: one that a newer Mien wrote is refused, never misread, and never touched.

Every file begins at layout 0, which bears no mark. Whoever changes what lies in a file raises its number, writes the
mark (`PRAGMA user_version = MARK + number` in SQLite, `"layout": number` in JSON, `mien:layout` in Redis), reads the
older ones, and adds golden files beside those in tests/contract/golden/state.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

MARK = 0x4D69_0000  # "Mi": any other number is an application's own, or damage; neither tells of a newer Mien


class NewerLayout(sqlite3.DatabaseError, ValueError):  # noqa: N818
    """A newer Mien wrote this. It is both of what files raise that cannot be read."""

    def __init__(self, found: object) -> None:
        super().__init__(f"a newer Mien wrote it (layout {found}, this one knows 0): install that version again")


def check(found: object) -> None:
    """Raises NewerLayout where `found`, a layout's number, is not this version's."""
    if found != 0:
        raise NewerLayout(found)


def check_database(db: sqlite3.Connection) -> None:
    """To be called before anything is written. Raises NewerLayout, or what SQLite does."""
    found = int(db.execute("PRAGMA user_version").fetchone()[0])
    check(found - MARK if found >> 16 == MARK >> 16 else 0)


def check_json(found: Mapping[str, Any]) -> None:
    """Raises NewerLayout."""
    check(found.get("layout", 0))
