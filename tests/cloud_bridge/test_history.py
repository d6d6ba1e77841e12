"""The history: what is kept, what is not, and that what was erased is gone from the file."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cloud_bridge import housekeeping
from cloud_bridge.errors import BridgeError, SettingError
from cloud_bridge.history import History
from cloud_bridge.ingest.base import Device
from cloud_bridge.ingest.dedupe import transaction
from cloud_bridge.record import Record, when_s
from edge.wire import mien_pb2 as pb
from tests.sim.wait import soon

KITCHEN = Device("kitchen", 1)
SECRET = "the dog died on Sunday"


def envelope(**more: object) -> pb.Envelope:
    return pb.Envelope(boot=1, turn=3, clock_synced=True, utc_ms=round(time.time() * 1000) - 500, **more)


def test_a_timeline_is_told_in_order_of_time_and_read_by_another_process(tmp_path: Path) -> None:
    """States, events and turns of one device between two times, oldest first, whoever reads them."""
    history = History(tmp_path / "h.sqlite")
    history.add_event("kitchen", None, 30.0, "link", {"state": "gone"})
    history.add_state("kitchen", 2, 20.0, pb.State(person=2, trend="mood falling"))
    history.add_turn("kitchen", 2, 10.0, 1, {"tone": "sad"})
    history.add_state("hall", 1, 15.0, pb.State(person=1))
    history.add_state("kitchen", 2, 15.0, pb.State(person=2), tenant="other")
    history.flush()
    reader = History(tmp_path / "h.sqlite")
    told = reader.timeline("kitchen", 10.0, 29.0)
    assert [(one["at_s"], one["kind"], one["person"]) for one in told] == [(10.0, "turn", 2), (20.0, "state", 2)]
    assert told[1]["state"]["trend"] == "mood falling"
    assert "words" not in told[0]
    assert [one["device"] for one in reader.devices()] == ["hall", "kitchen"]
    assert reader.timeline("kitchen", kinds=("turn",), turn=2) == []
    assert len(reader.timeline("kitchen", limit=2)) == 2
    reader.close()
    history.close()


@pytest.mark.parametrize("agreed", [False, True])
def test_words_are_kept_only_with_consent(tmp_path: Path, agreed: bool) -> None:
    """Without `keep_words` neither the words nor the answer is in the record, nor anywhere in its files."""
    history = History(tmp_path / "h.sqlite")
    record = Record(history)
    said = envelope(words=SECRET, keep_words=agreed, state=pb.State(person=1), kind=pb.TURN_END)
    record.envelope(KITCHEN, said)
    record.turn(KITCHEN, said, {"tone": "sad"}, SECRET, "I hear you.")
    history.flush()
    (turn,) = history.timeline("kitchen", kinds=("turn",))
    assert turn.get("words") == (SECRET if agreed else None)
    assert any(SECRET.encode() in file.read_bytes() for file in tmp_path.iterdir()) is agreed
    history.close()


@pytest.mark.parametrize("agreed", [False, True])
def test_how_a_person_was_is_kept_only_with_consent(tmp_path: Path, agreed: bool) -> None:
    """Without `keep_states` no state, no description, nothing that a rule saw and no tone is in the file: what is left
    tells of the device and of times, and of no person."""
    history = History(tmp_path / "h.sqlite")
    record = Record(history)
    smile = pb.Event(name="smile", person=1, arguments={"valence": "0.9"})
    heat = pb.Event(name="too_hot")
    seen = envelope(
        keep_states=agreed,
        state=pb.State(person=1, trend="mood falling"),
        description=pb.Description(joint="Seems sad."),
        events=[smile, heat],
        stages=pb.Stages(turn_end_ms=350),
        health=pb.Health(level="slower faces"),
    )
    record.envelope(KITCHEN, seen)
    record.turn(KITCHEN, seen, {"tone": "comforting", "outcome": "answered"}, SECRET, "I hear you.")
    history.flush()
    told = history.timeline("kitchen")
    kinds = {one["kind"] for one in told}
    felt = [b"mood falling", b"Seems sad", b"smile", b"comforting"]
    content = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert [text in content for text in felt] == [agreed] * 4
    assert ({"state", "description"} <= kinds) is agreed
    assert {"event", "stages", "health", "turn"} <= kinds
    assert {one["person"] for one in told} == ({1, None} if agreed else {None})
    assert history.count("kitchen", 1) == (6 if agreed else 1), "a turn of nobody known may be theirs"
    history.close()


def test_what_is_erased_is_gone_from_the_file(tmp_path: Path) -> None:
    """After `forget` not one byte of the words is left in the database or its log; others' rows stay."""
    history = History(tmp_path / "h.sqlite")
    for number in range(200):
        history.add_turn("kitchen", 1 + number % 2, float(number), number, {}, words=f"{SECRET} {number}")
    history.add_turn("hall", 1, 1.0, 1, {}, words="something else")
    history.flush()
    assert history.forget("kitchen", 2) == 100
    assert (history.count("kitchen", 2), history.count("kitchen")) == (0, 100)
    assert history.forget("kitchen") == 100
    assert history.count("hall") == 1
    assert not any(SECRET.encode() in file.read_bytes() for file in tmp_path.iterdir())
    history.close()


def test_what_happened_before_an_erasure_is_not_kept_after_it(tmp_path: Path) -> None:
    """An envelope that was under way while its person was erased comes too late; a newer one is kept."""
    history = History(tmp_path / "h.sqlite")
    record = Record(history)
    late = envelope(state=pb.State(person=1), events=[pb.Event(name="smile")])
    record.erased("default", "kitchen")
    record.envelope(KITCHEN, late)
    record.turn(KITCHEN, late, {}, "", "")
    history.flush()
    assert history.count("kitchen") == 0
    time.sleep(0.002)
    record.link(KITCHEN, "gone")
    history.flush()
    assert history.count("kitchen") == 1
    history.close()


class Slow:
    """The lock of a connection, before which the thread that writes stands until `go`."""

    def __init__(self) -> None:
        self.lock, self.stands, self.go = threading.Lock(), threading.Event(), threading.Event()

    def __enter__(self) -> None:
        if threading.current_thread().name == "history":
            self.stands.set()
            self.go.wait(20)
        self.lock.acquire()

    def __exit__(self, *_: object) -> None:
        self.lock.release()


def test_what_is_just_being_written_is_erased_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that writes may stand at any step: what was told before an erasure never comes into the file after."""
    slow = Slow()
    history = History(tmp_path / "h.sqlite")
    monkeypatch.setattr(history, "_lock", slow)
    history.add_turn("kitchen", 1, 10.0, 1, {}, words=SECRET)
    assert slow.stands.wait(20)
    history.flush()
    assert history.count("kitchen") == 1, "what was flushed is there, whoever was at it"
    history.add_turn("kitchen", 1, 10.0, 2, {}, words=SECRET)
    assert history.forget("kitchen") == 2
    slow.go.set()
    history.close()
    with sqlite3.connect(tmp_path / "h.sqlite") as db:
        assert db.execute("SELECT COUNT(*) FROM item").fetchone() == (0,)
    db.close()


def test_rows_that_wait_for_another_process_do_not_outlive_an_erasure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While they cannot be written nothing is called erased: they would come into the file after it."""
    history = History(tmp_path / "h.sqlite")
    history._db.execute("PRAGMA busy_timeout = 0")
    history.add_turn("kitchen", 1, 10.0, 1, {}, words=SECRET)
    other = sqlite3.connect(tmp_path / "h.sqlite", isolation_level=None)

    @contextmanager
    def busy(_: sqlite3.Connection) -> Iterator[None]:
        other.execute("BEGIN IMMEDIATE")  # and it lets go at once: the erasure itself would not be kept from the file
        try:
            with transaction(history._db):
                yield
        finally:
            other.execute("ROLLBACK")

    with monkeypatch.context() as patched:
        patched.setattr("cloud_bridge.history.transaction", busy)
        with pytest.raises(BridgeError, match="try again"):
            history.forget("kitchen")
    assert history.forget("kitchen") == 1
    assert history.count("kitchen") == 0
    history.close()
    other.close()


def test_old_rows_are_swept(tmp_path: Path) -> None:
    """What is older than the retention goes; a device's wrong clock cannot keep a row beyond its time."""
    history = History(tmp_path / "h.sqlite")
    now_s = time.time()
    for days in (0.5, 1.5, 2.5):
        history.add_event("kitchen", None, now_s - days * 86_400, "link", {"state": "gone"})
    assert history.sweep(keep_days=1.0) == 2
    assert history.count("kitchen") == 1
    ahead = pb.Envelope(clock_synced=True, utc_ms=round((now_s + 1e9) * 1000))
    assert when_s(ahead) <= time.time()
    history.close()


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """The message names the file and the way out; a file for others' eyes is closed to them."""
    (tmp_path / "h.sqlite").write_text("this is no database, but long enough to be taken for one by its first page")
    with pytest.raises(SettingError, match=r"h\.sqlite.*--history"):
        History(tmp_path / "h.sqlite")
    History(tmp_path / "new.sqlite").close()
    assert (tmp_path / "new.sqlite").stat().st_mode & 0o077 == 0


def test_nobody_else_reads_any_of_its_files(tmp_path: Path) -> None:
    """The log beside the file holds the newest rows, words too: it is for this user alone as well."""
    before = os.umask(0o022)
    try:
        history = History(tmp_path / "h.sqlite")
    finally:
        os.umask(before)
    history.add_turn("kitchen", 1, 10.0, 1, {}, words=SECRET)
    history.flush()
    assert {file.name: file.stat().st_mode & 0o077 for file in tmp_path.iterdir() if file.stat().st_mode & 0o077} == {}
    history.close()


def test_what_may_be_the_persons_goes_with_them(tmp_path: Path) -> None:
    """A voice without a face may be theirs; what is surely another's stays, and what is nobody's."""
    history = History(tmp_path / "h.sqlite")
    for person in (1, 2, 0, None):
        history.add_turn("kitchen", person, 10.0, 1, {}, words=SECRET)
    history.add_event("kitchen", None, 10.0, "link", {"state": "gone"})
    assert history.forget("kitchen", 1) == 3
    assert history.count("kitchen", 1) == 0
    assert [(one["kind"], one["person"]) for one in history.timeline("kitchen")] == [("turn", 2), ("link", None)]
    history.close()


def test_a_log_that_could_not_be_emptied_is_no_erasure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader at the wrong moment keeps the rows in the log beside the file: it is said, and done at the next try."""
    path = tmp_path / "h.sqlite"
    monkeypatch.setattr("cloud_bridge.history._EMPTY_S", 0.1)
    history = History(path)
    history._db.execute("PRAGMA busy_timeout = 50")
    history.add_turn("kitchen", 1, 10.0, 1, {}, words=SECRET)
    history.flush()
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    assert reader.execute("SELECT COUNT(*) FROM item").fetchone() == (1,)
    with pytest.raises(BridgeError, match="being read"):
        history.forget("kitchen")
    assert any(SECRET.encode() in file.read_bytes() for file in tmp_path.iterdir())
    reader.close()
    history.forget("kitchen")
    assert not any(SECRET.encode() in file.read_bytes() for file in tmp_path.iterdir())
    history.close()


async def test_a_sweep_that_fails_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else nothing would be swept any more until the bridge is started anew, and nobody would know."""
    monkeypatch.setattr(housekeeping, "_SWEEP_S", 0.01)
    history, swept = History(None), 0

    def sweep(**_: object) -> int:
        nonlocal swept
        swept += 1
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr(history, "sweep", sweep)
    sweeping = asyncio.create_task(housekeeping.sweep(history, 30.0))
    await soon(lambda: swept > 1)
    assert not sweeping.done()
    sweeping.cancel()
    await asyncio.gather(sweeping, return_exceptions=True)
    history.close()


def test_rows_that_closing_cannot_write_are_counted(tmp_path: Path) -> None:
    """Another process holds the file to the end: nothing goes without a word, nor does what comes too late."""
    history = History(tmp_path / "h.sqlite")
    history._db.execute("PRAGMA busy_timeout = 20")
    other = sqlite3.connect(tmp_path / "h.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for number in range(3):
        history.add_event("kitchen", None, float(number), "link", {})
    history.close()
    assert history.dropped == 3
    history.add_event("kitchen", None, 9.0, "link", {})
    assert history.dropped == 4
    other.close()
