"""Whether an observation's numbers can be believed: one that is not finite would stay in every mean that it enters."""

from __future__ import annotations

import math
from collections.abc import Mapping

from edge.types import Observation


def intact(seen: Observation) -> bool:
    """Every number is finite, every share (probabilities, action units) at least 0, confidence and quality in 0–1."""
    for name in seen.__dataclass_fields__:
        value = getattr(seen, name)
        if isinstance(value, float):
            if not math.isfinite(value):
                return False
        elif isinstance(value, Mapping):
            if value and not (min(value.values()) >= 0 and math.isfinite(sum(value.values()))):
                return False
        elif isinstance(value, tuple) and not all(map(math.isfinite, value)):
            return False
    return all(share is None or 0 <= share <= 1 for share in (seen.confidence, seen.quality))
