"""Slots: bounded, latest wins, every drop counted."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from edge import clock
from edge.slots import Slot


@given(st.lists(st.integers()), st.integers(1, 5))
def test_what_is_not_taken_was_dropped_and_counted(items: list[int], capacity: int) -> None:
    """The newest `capacity` items are kept in order; the count of the rest is exact."""
    slot: Slot[int] = Slot(capacity)
    for item in items:
        slot.put(item)
    taken = [slot.take(0) for _ in range(len(slot))]
    assert taken == items[-capacity:]
    assert slot.dropped == len(items) - len(taken)


def test_a_closed_slot_wakes_the_waiter_and_can_be_emptied() -> None:
    """Nothing waits for ever on a slot that ended."""
    slot: Slot[int] = Slot(2)
    got: list[int | None] = []
    waiter = threading.Thread(target=lambda: got.append(slot.take(10)))
    waiter.start()
    slot.close()
    waiter.join(5)
    assert got == [None]
    slot.put(1)
    assert slot.take(0) is None


def test_put_wait_loses_nothing() -> None:
    """A lossless producer waits for room."""
    slot: Slot[int] = Slot(1)
    assert slot.put_wait(1)
    assert not slot.put_wait(2, 0.01)
    assert slot.take(0) == 1
    assert slot.put_wait(2, 0.01)
    assert slot.dropped == 0


def test_while_it_rests_nothing_is_kept_and_nothing_counts_as_lost() -> None:
    """What nobody wants is skipped, not dropped; afterwards items come as before."""
    slot: Slot[int] = Slot(1)
    slot.put(1)
    slot.rest(clock.now_s() + 60.0)
    slot.put(2)
    assert (len(slot), slot.skipped, slot.dropped) == (0, 2, 0)
    slot.rest(clock.now_s())
    slot.put(3)
    assert slot.take(0) == 3


def test_many_threads_lose_and_double_nothing() -> None:
    """However the waits fall, each item comes out once and every waiter ends."""
    slot: Slot[int] = Slot(2)
    taken: list[int] = []

    def give(first: int) -> None:
        for item in range(first, first + 500):
            assert slot.put_wait(item, 20)

    def get() -> None:
        while (item := slot.take(20)) is not None:
            taken.append(item)

    givers = [threading.Thread(target=give, args=(500 * n,)) for n in range(4)]
    getters = [threading.Thread(target=get) for _ in range(3)]
    for thread in givers + getters:
        thread.start()
    for thread in givers:
        thread.join(30)
    slot.close()
    for thread in getters:
        thread.join(30)
    assert sorted(taken) == list(range(2000))
    assert not any(thread.is_alive() for thread in givers + getters)
