"""What an answer cost, where the provider counts tokens and the price is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens: computed input, input from the provider's cache, output."""

    fresh: float
    cached: float
    output: float

    @classmethod
    def parse(cls, text: str) -> Price:
        """From `FRESH/CACHED/OUTPUT`, as in `3/0.30/15`. Raises ValueError."""
        fresh, cached, output = (float(part) for part in text.split("/"))
        return cls(fresh, cached, output)

    def of(self, tokens: Mapping[str, int]) -> float | None:
        """Dollars for these counts; None where there are none."""
        if not tokens:
            return None
        fresh = tokens["input_tokens"] - tokens["cached_tokens"]
        dollars = fresh * self.fresh + tokens["cached_tokens"] * self.cached + tokens["output_tokens"] * self.output
        return dollars / 1e6
