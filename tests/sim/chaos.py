"""A bad network for tests; `mien bench link` uses the same."""

from benchmarks.link_faults import Chaos

__all__ = ["Chaos"]
