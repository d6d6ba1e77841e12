"""The outbox: what put() acknowledged stays; order, room, ttl and damage are handled and counted."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge import outbox_shelf
from edge.errors import OutboxError, OutboxFull, WireError
from edge.outbox import Outbox
from edge.outbox_file import OutboxFile
from edge.types import Event
from edge.wire import mien_pb2
from edge.wire.envelope import Sealer
from tests.sim.wait import until


class Clock:
    """A clock that tests turn by hand."""

    def __init__(self) -> None:
        self.s = 1_000.0

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.sqlite"


@pytest.fixture
def sealer() -> Sealer:
    return Sealer("test")


def alert(sealer: Sealer) -> mien_pb2.Envelope:
    return sealer.events([Event(t_s=0.0, name="drowsy", priority="alert")])


def turn(sealer: Sealer, ttl_s: float = 0.0) -> mien_pb2.Envelope:
    return sealer.turn("turn_end", 1, words="hello", ttl_s=ttl_s)


def taken(outbox: Outbox, count: int = 100_000) -> list[int]:
    return [out.envelope.seq for out in outbox.take(count)]


def forever(step: Callable[[], object]) -> None:
    while True:
        step()


@pytest.fixture
def outbox(path: Path) -> Iterator[Outbox]:
    box = Outbox(path)
    yield box
    box.close()


def test_what_put_returned_for_is_there_after_a_restart(path: Path, sealer: Sealer) -> None:
    """An acknowledged envelope survives the process, byte for byte."""
    box = Outbox(path)
    sent = [turn(sealer) for _ in range(50)]
    assert [box.put(envelope) for envelope in sent] == [envelope.seq for envelope in sent]
    box.close()
    again = Outbox(path)
    assert [out.envelope for out in again.take(100)] == sent
    again.close()


def test_alerts_go_first_and_order_is_kept_within_a_priority(outbox: Outbox, sealer: Sealer) -> None:
    """Alert, normal, low; oldest first in each."""
    kinds = [outbox.put(make(sealer)) for make in (turn, alert, turn, alert)]
    low = outbox.put(sealer.health(rss_mb=1))
    assert taken(outbox) == [kinds[1], kinds[3], kinds[0], kinds[2], low]


def test_each_says_which_one_it_follows(outbox: Outbox, sealer: Sealer) -> None:
    """`after` names the last unacknowledged envelope of the same priority in flight; a rewind begins a new chain."""
    first, second = outbox.put(turn(sealer)), outbox.put(turn(sealer))
    outbox.put(alert(sealer))
    assert [out.after[1] for out in outbox.take(10)] == [0, 0, first]
    third = outbox.put(turn(sealer))
    assert [out.after[1] for out in outbox.take(10)] == [second]
    outbox.rewind()
    outbox.done(sealer.boot, [first])
    assert [(o.envelope.seq, o.after[1]) for o in outbox.take(10)][1:] == [(second, 0), (third, second)]


def test_put_is_sent_only_after_it_is_on_disk(path: Path, sealer: Sealer) -> None:
    """What the device does not have safe is not sent under the name of put; an offer is sent at once."""
    box = Outbox(path)
    seen: list[bool] = []
    box.on_item(lambda: seen.append(box._file.path.exists() and box.counts["commits"] > 0))
    box.put(turn(sealer))
    until(lambda: seen == [True])
    box.offer(turn(sealer), linger_s=60.0)
    assert taken(box) == [1, 2]
    assert box.counts["commits"] == 1
    box.close()


def test_a_good_link_costs_the_flash_nothing(outbox: Outbox, sealer: Sealer) -> None:
    """What the bridge acknowledges within the linger time is never written."""
    for _ in range(100):
        kept = outbox.offer(turn(sealer), linger_s=30.0)
        (out,) = outbox.take(1)
        outbox.done(out.envelope.boot, [out.envelope.seq])
        assert kept.done()
    assert outbox.counts["commits"] == 0
    assert len(outbox) == outbox._shelf.used == 0


def test_an_offer_is_written_when_the_bridge_is_slow(path: Path, sealer: Sealer) -> None:
    """After the linger time the offered envelope is on disk."""
    box = Outbox(path)
    box.offer(turn(sealer), linger_s=0.02).result(10)
    assert box.counts["commits"] == 1
    box.close()
    assert len(Outbox(path)) == 1


def test_puts_from_many_threads_share_commits(outbox: Outbox, sealer: Sealer) -> None:
    """Group commit: fewer commits than envelopes, and none is lost."""
    threads = [threading.Thread(target=lambda: [outbox.put(turn(sealer)) for _ in range(40)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outbox) == 320
    assert outbox.counts["commits"] < 320


def test_a_full_outbox_refuses_the_new_and_keeps_the_old(path: Path, sealer: Sealer) -> None:
    """OutboxFull; alerts have room of their own; LOW is evicted for others; every case is counted."""
    box = Outbox(path, max_bytes=20_000)
    low = [box.put(sealer.health(rss_mb=i + 1)) for i in range(20)]
    kept: list[int] = []
    with pytest.raises(OutboxFull, match="look at the link"):
        forever(lambda: kept.append(box.put(turn(sealer))))
    assert box.counts["evicted"] == len(low)
    assert box.counts["refused"] == 1
    first_alert = box.put(alert(sealer))
    assert box._shelf.used <= 20_000
    box.close()
    again = Outbox(path, max_bytes=20_000)
    assert taken(again) == [first_alert, *kept]
    again.close()


def test_ttl_counts_on_the_monotonic_clock(path: Path, sealer: Sealer) -> None:
    """An envelope leaves by its ttl, counted; one without a ttl stays."""
    clock = Clock()
    box = Outbox(path, now_s=clock, host=7)
    box.put(turn(sealer, ttl_s=10.0))
    stays = box.put(turn(sealer))
    clock.s += 10.5
    assert taken(box) == [stays]
    assert box.counts["expired"] == 1
    box.close()


def test_ttl_goes_on_over_a_restart_of_the_process_and_begins_anew_with_the_machine(
    path: Path, sealer: Sealer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same start of the machine: the time that passed counts. Another: it is not known and does not; and whatever
    the wall clock says, from 1970 to a year ahead, is not asked."""
    clock = Clock()
    box = Outbox(path, now_s=clock, host=7)
    box.put(turn(sealer, ttl_s=10.0))
    box.close()
    clock.s += 6
    for wall in (0.0, time.time() + 3.2e7):
        monkeypatch.setattr(time, "time_ns", lambda wall=wall: int(wall * 1e9))
        box = Outbox(path, now_s=clock, host=7)
        assert len(box) == 1
        box.close()
    clock.s = 3.0  # the machine started again: the monotonic clock begins near zero
    box = Outbox(path, now_s=clock, host=8)
    assert len(box) == 1
    clock.s += 9.9
    assert taken(box) == [1]
    box.rewind()
    clock.s += 0.2
    assert taken(box) == []
    box.close()


def test_what_expired_while_the_device_was_off_is_gone_when_it_starts(path: Path, sealer: Sealer) -> None:
    """A device that ended without a link and starts again an hour later starts; what is too old leaves the file."""
    clock = Clock()
    box = Outbox(path, now_s=clock, host=7)
    for _ in range(3):
        box.put(turn(sealer, ttl_s=10.0))
    stays = box.put(turn(sealer))
    box.close()
    clock.s += 3_600
    box = Outbox(path, now_s=clock, host=7)
    assert (len(box), box.counts["expired"]) == (1, 3)
    assert taken(box) == [stays]
    box.close()
    box = Outbox(path, now_s=clock, host=7)
    assert (len(box), box.counts["expired"]) == (1, 0)
    box.close()


def test_what_is_forgotten_is_neither_sent_nor_kept(path: Path, sealer: Sealer) -> None:
    """Waiting, in flight or not yet written: nothing of it stays, on the disk neither; what comes after goes on."""
    box = Outbox(path)
    for _ in range(3):
        box.put(turn(sealer))
    assert len(taken(box, 1)) == 1
    kept = box.offer(turn(sealer), 60.0)
    box.forget()
    assert (len(box), box.counts["forgotten"]) == (0, 4)
    assert kept.done()
    box.rewind()
    assert taken(box) == []
    after = box.put(sealer.turn("turn_end", 2, words="another", ttl_s=0))
    box.close()
    assert not any(b"hello" in file.read_bytes() for file in path.parent.iterdir() if file.is_file())
    box = Outbox(path)
    assert taken(box) == [after]
    box.close()


@pytest.mark.parametrize("closing", [False, True])
def test_what_is_forgotten_while_it_is_written_does_not_stay(
    path: Path, sealer: Sealer, closing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its commit's beginning and end: it is erased by the next one, at once or before the outbox closes, and
    not sent by the next process."""
    box = Outbox(path, now_s=Clock())  # which stands: what is due later never comes
    commit, forgotten = box._file.commit, threading.Event()

    def meanwhile(puts: list[Any], deletes: list[int]) -> None:
        commit(puts, deletes)
        if puts:
            box.forget()
            forgotten.set()

    monkeypatch.setattr(box._file, "commit", meanwhile)
    kept = box.offer(turn(sealer), 60.0 if closing else 0.0)
    if not closing:
        assert forgotten.wait(20)
        kept.result(20)
        until(lambda: not box._file.read([1]))
    box.close()
    assert forgotten.is_set()
    again = Outbox(path)
    assert len(again) == 0
    again.close()
    assert not any(b"hello" in file.read_bytes() for file in path.parent.iterdir() if file.is_file())


def test_acknowledged_ones_leave_the_file(path: Path, sealer: Sealer) -> None:
    """done() removes; nothing comes back after a restart, and nothing of it can be read in the file."""
    box = Outbox(path)
    for _ in range(30):
        box.put(sealer.turn("turn_end", 1, words="a secret sentence", ttl_s=0))
    taken(box)
    box.done(sealer.boot, range(1, 31))
    box.close()
    again = Outbox(path)
    assert len(again) == 0
    again.close()
    assert b"a secret sentence" not in path.read_bytes()


def test_a_backlog_is_read_from_disk_not_held_in_memory(path: Path, sealer: Sealer) -> None:
    """Beyond a small share the envelopes lie on disk only, and come out whole and in order."""
    box = Outbox(path)
    words = "x" * 700
    futures = [box.offer(sealer.turn("turn_end", 1, words=words, ttl_s=0), 0.0) for _ in range(1_000)]
    for future in futures:
        future.result(20)
    assert sum(item.body is not None for item in box._shelf.items.values()) < 500
    assert taken(box) == list(range(1, 1_001))
    box.close()


@pytest.mark.parametrize("forgotten", [False, True])
def test_what_goes_to_disk_or_is_forgotten_while_it_is_taken_is_not_called_damaged(
    path: Path, sealer: Sealer, forgotten: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer lets go of a body that it wrote between the two steps in which the uplink takes it: it is sent all the
    same. One that the person takes back in that instant is no damage."""
    monkeypatch.setattr(outbox_shelf, "_HOT_BYTES", -1)
    box = Outbox(path)
    if forgotten:
        box.put(turn(sealer))
    else:
        kept = box.offer(turn(sealer), linger_s=60.0)
    read = box._bodies

    def meanwhile(ids: list[int]) -> dict[int, bytes]:
        if forgotten:
            box.forget()
            until(lambda: not box._file.read(ids))
        else:
            with box._changed:
                (item,) = box._unwritten.values()
                item.due_s = box._due_s = 0.0
                box._changed.notify()
            kept.result(20)
        return read(ids)

    monkeypatch.setattr(box, "_bodies", meanwhile)
    assert taken(box) == ([] if forgotten else [1])
    assert box.counts["damaged"] == 0
    box.close()


def test_a_second_process_is_told(path: Path) -> None:
    """Two writers would send everything twice."""
    box = Outbox(path)
    with pytest.raises(OutboxError, match="in use by another"):
        Outbox(path)
    box.close()
    Outbox(path).close()


def test_an_unsealed_envelope_is_refused(outbox: Outbox) -> None:
    """Only sealed envelopes of the contract's size are kept."""
    with pytest.raises(WireError):
        outbox.put(mien_pb2.Envelope(v=1, device="d"))
    with pytest.raises(WireError):
        outbox.put(mien_pb2.Envelope(v=1, device="d", boot=1, seq=1, words="x" * 2_000))


@pytest.mark.parametrize("seed", range(8))
def test_a_corrupt_file_is_salvaged(path: Path, sealer: Sealer, seed: int) -> None:
    """Whatever is overwritten: the rest is saved, the loss is told, and work goes on."""
    box = Outbox(path)
    for _ in range(200):
        box.put(turn(sealer))
    box.close()
    rng = random.Random(seed)
    data = bytearray(path.read_bytes())
    start = 0 if seed == 0 else rng.randrange(len(data) - 600)  # 0: the header
    size = 100 if seed == 0 else rng.randrange(1, 600)
    data[start : start + size] = rng.randbytes(size)
    path.write_bytes(bytes(data))
    again = Outbox(path)
    left = taken(again)
    # 600 bytes touch at most two pages; a record lies in one.
    assert len(left) >= 200 - 2 * 45
    assert left == sorted(left)
    if len(left) < 200:
        assert again.counts["salvaged"] + again.counts["damaged"] > 0
    again.put(turn(sealer))
    again.close()


class PowerCut(BaseException):
    """The machine is off: nothing after this happens."""


@pytest.mark.parametrize("step", range(6))
def test_a_second_fault_during_the_rescue_costs_nothing(
    path: Path, sealer: Sealer, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The power goes at each step on the way from the damaged file to the fresh one: the next start finds all of it."""
    box = Outbox(path)
    for _ in range(50):
        box.put(turn(sealer))
    log = Path(f"{path}-wal").read_bytes()  # half of them lie there alone
    box.close()
    path.write_bytes(os.urandom(100) + path.read_bytes()[100:])
    Path(f"{path}-wal").write_bytes(log)
    left = step

    def counted(what: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **more: object) -> object:
            nonlocal left
            left -= 1
            if left < 0:
                raise PowerCut
            return what(*args, **more)

        return call

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", counted(Path.replace))
        patched.setattr(os, "fsync", counted(os.fsync))
        with contextlib.suppress(PowerCut):
            Outbox(path).close()
    again = Outbox(path)
    assert len(taken(again)) == 50
    again.close()
    assert {file.name for file in path.parent.iterdir()} <= {path.name, f"{path.name}.lock"}


def test_a_rescue_that_finds_no_room_is_tried_again(path: Path, sealer: Sealer) -> None:
    """A damaged file on a full disk: told, and left as it is until there is room."""
    box = Outbox(path)
    for _ in range(300):
        box.put(turn(sealer))
    box.close()
    path.write_bytes(os.urandom(100) + path.read_bytes()[100:])
    with pytest.raises(OutboxFull):
        OutboxFile(path, -20_000)  # six pages
    again = Outbox(path)
    assert len(taken(again)) == 300
    again.close()


def test_garbage_or_an_empty_file_in_its_place(path: Path, sealer: Sealer) -> None:
    """An outbox begins, whatever lies there."""
    for content in (b"", b"garbage" * 1_000, b"SQLite format 3\x00" + bytes(5_000)):
        path.write_bytes(content)
        box = Outbox(path)
        box.put(turn(sealer))
        assert len(box) == 1
        box.done(sealer.boot, taken(box))
        box.close()


def test_corruption_while_running_is_got_over(path: Path, sealer: Sealer) -> None:
    """The file is destroyed under a running outbox: what is in memory is written anew, and put() works."""
    box = Outbox(path)
    for _ in range(20):
        box.put(turn(sealer))
    box._file._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.write(os.urandom(8_192))
    until(lambda: put_works(box, sealer))
    assert len(taken(box)) >= 20
    box.close()


def put_works(box: Outbox, sealer: Sealer) -> bool:
    try:
        box.put(turn(sealer))
    except OutboxError:
        return False
    return True


def small_disk(tmp_path: Path) -> Path:
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", disk], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("mounting a small tmpfs needs root")
    return disk


def test_a_full_disk_refuses_put_and_lets_offers_through(tmp_path: Path, sealer: Sealer) -> None:
    """put raises OutboxFull and loses nothing kept; an offer goes on in memory; room brings everything back."""
    disk = small_disk(tmp_path)
    try:
        box = Outbox(disk / "outbox.sqlite")
        kept = [box.put(turn(sealer)) for _ in range(20)]
        with (disk / "fill").open("wb", buffering=0) as fill, pytest.raises(OSError, match="No space"):
            forever(lambda: fill.write(bytes(1_024)))
        with pytest.raises(OutboxFull, match="free some space"):
            forever(lambda: kept.append(box.put(turn(sealer))))
        offered = box.offer(live := turn(sealer), linger_s=0.0)
        with pytest.raises(OutboxFull):
            offered.result(10)
        assert box.counts["unkept"] == 1
        assert taken(box) == [*kept, live.seq]
        box.done(sealer.boot, [*kept[:3], live.seq])
        (disk / "fill").unlink()
        box.rewind()
        box.put(last := turn(sealer))
        box.close()
        again = Outbox(disk / "outbox.sqlite")
        assert taken(again) == [*kept[3:], last.seq]
        again.close()
    finally:
        subprocess.run(["umount", disk], check=False)


_PUTTER = """
import sys
from pathlib import Path
from edge.outbox import Outbox
from edge.wire.envelope import Sealer
box, sealer = Outbox(Path(sys.argv[1])), Sealer("test", boot=int(sys.argv[2]))
while True:
    print(box.put(sealer.turn("turn_end", 1, words="hello", ttl_s=0)), flush=True)
"""


def test_kill_9_at_any_instant_loses_nothing_acknowledged(path: Path) -> None:
    """Whatever put() had returned for when the process was killed is there afterwards. (`mien bench link` does it
    hundreds of times, and with power cuts.)"""
    rng = random.Random(6)
    acknowledged: set[tuple[int, int]] = set()
    for boot in range(1, 5):
        putter = subprocess.Popen([sys.executable, "-c", _PUTTER, path, str(boot)], stdout=subprocess.PIPE, text=True)
        assert putter.stdout is not None
        for _ in range(rng.randrange(1, 60)):
            acknowledged.add((boot, int(putter.stdout.readline())))
        time.sleep(rng.random() * 0.01)
        putter.send_signal(signal.SIGKILL)
        acknowledged |= {(boot, int(line)) for line in putter.stdout.read().splitlines() if line}
        putter.wait()
    box = Outbox(path)
    there = {(out.envelope.boot, out.envelope.seq) for out in box.take(100_000)}
    box.close()
    assert acknowledged <= there
    assert len(acknowledged) > 4
