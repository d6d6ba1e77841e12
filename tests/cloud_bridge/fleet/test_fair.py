"""Fair shares: tenants in turn, bounded queues, no place lost to a cancellation."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks.simulated_cloud import SimulatedModel
from cloud_bridge.errors import ProviderBusy
from cloud_bridge.fleet import fair
from cloud_bridge.fleet.fair import TENANT, FairModel, Gate


async def run(gate: Gate, tenant: str, order: list[str]) -> None:
    async with gate.pass_(tenant):
        order.append(tenant)
        await asyncio.sleep(0.001)


async def test_a_small_tenant_does_not_wait_for_all_of_a_large_one() -> None:
    """Ten of the large one wait; the small one's comes second."""
    gate, order = Gate(1), list[str]()
    tasks = [asyncio.create_task(run(gate, "large", order)) for _ in range(10)]
    await asyncio.sleep(0)
    tasks.append(asyncio.create_task(run(gate, "small", order)))
    await asyncio.gather(*tasks)
    assert order.index("small") <= 2
    assert len(order) == 11


async def test_too_many_of_one_tenant_are_refused_and_others_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue of each is bounded."""
    monkeypatch.setattr(fair, "_MOST_WAITING", 2)
    gate, order = Gate(1), list[str]()
    tasks = [asyncio.create_task(run(gate, "large", order)) for _ in range(4)]
    tasks.append(asyncio.create_task(run(gate, "small", order)))
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(one) for one in results].count(ProviderBusy) == 1
    assert gate.refused == 1
    assert "small" in order


async def test_who_gives_up_waiting_gives_the_place_on() -> None:
    """A barge-in while an answer waits loses no place."""
    gate, order = Gate(1), list[str]()
    first = asyncio.create_task(run(gate, "a", order))
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(run(gate, "a", order)) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await first
    waiting[1].cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert len(order) >= 2
    async with asyncio.timeout(20):
        await run(gate, "b", order)


async def test_the_model_is_asked_for_the_tenant_whose_envelope_came() -> None:
    """The tenant is inherited by the task that answers."""
    gate = Gate(1)
    model = FairModel(SimulatedModel(first_s=0.0, each_s=0.0), gate)
    TENANT.set("acme")
    said = await asyncio.create_task(collect(model))
    assert said.startswith("This is a simulated")
    assert model.usage.requests == 1


async def collect(model: FairModel) -> str:
    return "".join([piece async for piece in model.stream([], 10)])
