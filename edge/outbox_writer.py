"""The outbox's writer: one thread that brings to disk what has gathered, a commit at a time, and mends the file."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from pathlib import Path

from edge.errors import OutboxError
from edge.outbox_file import Damaged, OutboxFile, Record
from edge.outbox_shelf import Item, Shelf

log = logging.getLogger(__name__)

_DELETE_AFTER_S = 5.0  # acknowledged records may stay on disk so long, to share a commit with others


class Writer:
    """The half of `edge.outbox.Outbox` that knows the disk. `_changed` guards all of it. Its thread, which the other
    half starts, writes what is due; what `_remove` takes off the shelf is deleted with a later commit."""

    def __init__(self, path: Path, max_bytes: int, now_s: Callable[[], float] | None, host: int) -> None:
        self.counts: Counter[str] = Counter()
        self._now_s = now_s or _boot_time_s
        self._host = host
        self._shelf = Shelf()
        self._unwritten: OrderedDict[int, Item] = OrderedDict()
        self._deletes: list[int] = []
        self._due_s = math.inf  # when the next write is due, or earlier
        self._delete_due_s = math.inf
        self._changed = threading.Condition()
        self._on_item: Callable[[], None] = lambda: None
        self._closing = False
        self._damaged = False
        self._broken: str | None = None
        self._file = OutboxFile(path, max_bytes)
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)

    def close(self) -> None:
        """Write what is not written yet, and close. Idempotent."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()
        self._file.close()

    # ------------------------------------------------------------ `_changed` is held

    def _remove(self, item: Item) -> None:
        if not self._shelf.remove(item):
            return
        if item.stored:
            self._delete(item.id)
        elif self._unwritten.pop(item.id, None) is not None and not item.kept.done():
            item.kept.set_result(None)

    def _delete(self, id_: int) -> None:
        if not self._deletes:
            self._delete_due_s = self._now_s() + _DELETE_AFTER_S
            self._changed.notify()
        self._deletes.append(id_)

    # ------------------------------------------------------------ the writer's thread

    def _run(self) -> None:
        try:
            while self._write():
                pass
        except Exception as error:
            log.exception("the outbox's writer ended")
            with self._changed:
                self._broken = f"the outbox's writer ended ({type(error).__name__}: {error}): restart, and report this"
                for item in self._unwritten.values():
                    if not item.kept.done():
                        item.kept.set_exception(OutboxError(self._broken))

    def _write(self) -> bool:
        """Wait until something is due and write it; False when all is written and the outbox closes."""
        with self._changed:
            while not (self._closing or self._damaged):
                now_s = self._now_s()
                if self._due_s <= now_s:
                    dues = (item.due_s for item in self._unwritten.values() if item.due_s is not None)
                    self._due_s = min(dues, default=math.inf)
                if min(self._due_s, self._delete_due_s) <= now_s:
                    break
                wait_s = min(self._due_s, self._delete_due_s) - now_s
                self._changed.wait(None if math.isinf(wait_s) else wait_s)
            closing = self._closing
            batch = [item for item in self._unwritten.values() if item.due_s is not None]
            deletes, self._deletes = self._deletes, []
            self._due_s = self._delete_due_s = math.inf
        try:
            if self._damaged:
                self._rescue()
            if batch or deletes:
                self._file.commit([Record(i.id, i.at_ms, self._host, i.body or b"") for i in batch], deletes)
                self.counts["commits"] += 1
        except Damaged:
            self._damaged = not closing
            self._undo_deletes(deletes)
        except OutboxError as error:
            self._undo_deletes(deletes)
            self._refuse(batch, error)
            if self._damaged and not closing:  # not even a new file can be made now
                time.sleep(1.0)
        else:
            self._settle(batch)
            return not closing or bool(self._deletes)  # what was removed while it was written is deleted yet
        return not closing

    def _settle(self, batch: list[Item]) -> None:
        """`batch` is on disk."""
        with self._changed:
            for item in batch:
                item.stored, item.due_s = True, None
                self._unwritten.pop(item.id, None)
                if self._shelf.items.get(item.key) is item:
                    self._shelf.cool(item)
                else:  # acknowledged while it was written, or forgotten
                    self._delete(item.id)
                    if item.erase:
                        self._delete_due_s = self._now_s()
                if not item.kept.done():
                    item.kept.set_result(None)
        if any(item.durable for item in batch):
            self._on_item()

    def _refuse(self, batch: list[Item], error: OutboxError) -> None:
        """The disk took nothing: what was only offered goes on in memory."""
        log.warning("%s", error)
        with self._changed:
            for item in batch:
                item.due_s = None
                if not item.kept.done():
                    item.kept.set_exception(error)
                if item.durable:
                    self._remove(item)
                    self.counts["refused"] += 1
                elif self._unwritten.pop(item.id, None) is not None:
                    self.counts["unkept"] += 1

    def _undo_deletes(self, deletes: list[int]) -> None:
        with self._changed:
            self._deletes = deletes + self._deletes
            if self._deletes:
                self._delete_due_s = self._now_s() + _DELETE_AFTER_S

    def _rescue(self) -> None:
        """The file is damaged: make a new one of what it still holds and of what is in memory."""
        found = {record.id for record in self._file.rescue()}
        with self._changed:
            self._damaged = False
            self.counts["salvaged"] += len(found)
            for item in list(self._shelf.items.values()):
                if not item.stored or item.id in found:
                    found.discard(item.id)
                elif item.body is not None:
                    item.stored, item.due_s, self._due_s = False, self._now_s(), -math.inf
                    self._unwritten[item.id] = item
                else:
                    self._remove(item)
                    self.counts["damaged"] += 1
            for id_ in found:  # acknowledged long ago
                self._delete(id_)
        self._on_item()


def _boot_time_s() -> float:
    """Monotonic seconds that go on while the machine sleeps, where the system has such a clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
