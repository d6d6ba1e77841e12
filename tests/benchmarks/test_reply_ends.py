"""When the reply benchmark finds the device to take a person for finished."""

from __future__ import annotations

from benchmarks.reply_ends import ends
from benchmarks.spoken import spoken


async def test_the_ends_are_those_of_the_code_and_of_no_clock() -> None:
    """The same however busy the machine is; a whole sentence ends within the longest silence that a turn may hold, and
    who is silent for longer is not cut off less often."""
    said = await spoken(("The train is late.",))
    found = ends(said)
    assert ends(said) == found
    assert 0 < found["end_p50_ms"] == found["end_p95_ms"] < 1700
    assert found["cut_off_by_400ms"] <= found["cut_off_by_800ms"] <= 1
