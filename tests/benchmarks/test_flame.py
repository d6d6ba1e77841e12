"""The flame graph counts work, not waiting."""

from __future__ import annotations

from xml.etree import ElementTree

from benchmarks.flame import svg, tree

FOLDED = [
    "thread (7): sight;Thread._bootstrap (threading.py:1);Worker._loop (edge/worker.py:93);Sight.feed (edge/s.py:1) 30",
    "thread (7): sight;Thread._bootstrap (threading.py:1);Slot.take (edge/slots.py:51);wait (threading.py:331) 500",
    "thread (8): hearing;Hearing.feed (edge/perceive/hearing.py:40) 300",
]
CPU_S = {"7": 0.75, "8": 0.25, "9": 4.0}


def test_a_thread_that_waits_is_not_at_work() -> None:
    """And each is as wide as the CPU that it had, however often the sampler met it."""
    root = tree(FOLDED, CPU_S)
    assert root.count == 1_000_000
    assert {one.name: one.count for one in root.inner.values()} == {"sight": 750_000, "hearing": 250_000}


def test_the_picture_is_static_and_names_each_share() -> None:
    """Readable by any viewer; no script in it."""
    text = svg(tree(FOLDED, CPU_S))
    titles = [one.text for one in ElementTree.fromstring(text).iter("{http://www.w3.org/2000/svg}title")]
    assert "sight: 75.0 %" in titles
    assert "<script" not in text
