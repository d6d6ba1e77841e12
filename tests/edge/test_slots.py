"""Slots: bounded, latest wins, every drop counted."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import clock, slots
from edge.slots import Slot
from tests.sim.wait import until


@given(st.lists(st.integers()), st.integers(1, 5))
def test_what_is_not_taken_was_dropped_and_counted(items: list[int], capacity: int) -> None:
    """The newest `capacity` items are kept in order; the count of the rest is exact."""
    slot: Slot[int] = Slot(capacity)
    for item in items:
        slot.put(item)
    taken = [slot.take(0) for _ in range(len(slot))]
    assert taken == items[-capacity:]
    assert slot.dropped == len(items) - len(taken)


def test_what_goes_together_leaves_one_hole() -> None:
    """Of a full slot the oldest go at once, all counted; what is left has no hole in it."""
    slot: Slot[int] = Slot(4, together=3)
    for item in range(9):
        slot.put(item)
    assert [slot.take(0) for _ in range(len(slot))] == [6, 7, 8]
    assert slot.dropped == 6


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


def started(job: Callable[[], object]) -> threading.Thread:
    """A thread that does `job`, and waits in it by now."""
    thread = threading.Thread(target=job, daemon=True)
    thread.start()

    def waits() -> bool:
        frame = sys._current_frames().get(thread.ident or 0)
        return frame is not None and frame.f_code is slots._Bell.wait.__code__

    until(waits)
    return thread


@pytest.mark.parametrize("put", [Slot.put, Slot.put_wait])
def test_who_waits_gets_what_comes_at_once(put: Callable[[Slot[int], int], object]) -> None:
    """However it was left here, and not only when the wait is over."""
    slot: Slot[int] = Slot(2)
    got: list[int | None] = []
    waiter = started(lambda: got.append(slot.take(60.0)))
    put(slot, 7)
    waiter.join(5.0)
    assert got == [7]


def test_room_for_one_wakes_who_waits_for_it() -> None:
    """A producer that may lose nothing goes on as soon as something was taken."""
    slot: Slot[int] = Slot(1)
    slot.put(1)
    left: list[bool] = []
    giver = started(lambda: left.append(slot.put_wait(2, 60.0)))
    assert slot.take(0) == 1
    giver.join(5.0)
    assert left == [True]
    assert slot.take(0) == 2


def test_room_for_many_wakes_them_all() -> None:
    """A bell wakes one, who wakes the next."""
    slot: Slot[int] = Slot(3)
    for item in range(3):
        slot.put(item)
    left: list[bool] = []
    givers = [started(lambda item=item: left.append(slot.put_wait(item, 60.0))) for item in (3, 4, 5)]  # type: ignore[misc]
    slot.rest(clock.now_s())
    for giver in givers:
        giver.join(5.0)
    assert left == [True] * 3
    assert sorted(slot.take(0) or 0 for _ in range(3)) == [3, 4, 5]


@pytest.mark.parametrize(
    ("items", "job"), [(0, lambda slot: slot.take(60.0)), (1, lambda slot: slot.put_wait(2, 60.0))]
)
def test_closing_wakes_everybody(items: int, job: Callable[[Slot[int]], object]) -> None:
    """Those that wait for something, and those that wait for room; neither gets what it waited for."""
    slot: Slot[int] = Slot(1)
    for item in range(items):
        slot.put(item)
    got: list[object] = []
    waiters = [started(lambda: got.append(job(slot))) for _ in range(3)]
    slot.close()
    for waiter in waiters:
        waiter.join(5.0)
    assert len(got) == 3
    assert not any(got)
    assert len(slot) == items
    assert slot.closed


def test_two_things_left_before_anybody_woke_wake_two() -> None:
    """The bell holds one ring: who is woken by it, and finds more than it takes, rings on."""
    slot: Slot[int] = Slot(2)
    got: list[int | None] = []
    waiters = [started(lambda: got.append(slot.take(60.0))) for _ in range(2)]
    with slot._lock:
        slot._items.extend((1, 2))
        slot._ready.ring()  # the second ring would find the bell rung already
    for waiter in waiters:
        waiter.join(5.0)
    assert sorted(one or 0 for one in got) == [1, 2]


def test_a_closed_slot_takes_nothing_more() -> None:
    """Not even from who waits for room, of which there is enough."""
    slot: Slot[int] = Slot(2)
    slot.close()
    assert not slot.put_wait(1, 0.01)
    slot.put(2)
    assert len(slot) == 0


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


def test_a_rest_ends_when_it_was_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture of just then is wanted."""
    slot: Slot[int] = Slot(1)
    slot.rest(100.0)
    assert slot.rests_until_s == 100.0
    for now_s, there in ((99.99, 0), (100.0, 1)):
        monkeypatch.setattr(slots, "now_s", lambda now_s=now_s: now_s)
        slot.put(1)
        assert len(slot) == there


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
