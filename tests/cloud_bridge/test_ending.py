"""Tasks end when they are told to, even one that lost its cancellation."""

from __future__ import annotations

import asyncio

import pytest

from cloud_bridge import ending


async def test_a_task_that_lost_its_cancellation_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """`asyncio.wait_for` of Python 3.11 may give a result instead of the cancellation that came with it."""
    monkeypatch.setattr(ending, "_AGAIN_S", 0.01)
    lost = 0

    async def serve() -> None:
        nonlocal lost
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                if lost == 2:
                    raise
                lost += 1

    task = asyncio.create_task(serve())
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await ending.end([task])
    assert (task.cancelled(), lost) == (True, 2)


async def test_what_failed_before_is_no_failure_of_the_end() -> None:
    """What a task raised is taken, so that nothing is told when it is thrown away."""

    async def fail() -> None:
        raise ValueError

    task = asyncio.create_task(fail())
    await asyncio.sleep(0)
    await ending.end([task])
    await ending.end([])
    assert task.done()
