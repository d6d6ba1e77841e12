"""Face: the expression net on FER+, and the whole chain on clips and rendered heads. `mien bench face`."""

from __future__ import annotations

from pathlib import Path

from benchmarks import face_chain, face_expression
from benchmarks.report import Result

NEEDS_DATA = True


def measure(data: Path | None, *, quick: bool, peers: bool) -> Result:
    """Expression, and the whole chain from picture to observation."""
    assert data is not None
    parts = [module.measure(data, quick=quick, peers=peers) for module in (face_expression, face_chain)]
    return Result(
        metrics={name: value for part in parts for name, value in part.metrics.items()},
        peers={name: value for part in parts for name, value in part.peers.items()},
        detail={"expression": parts[0].detail, "chain": parts[1].detail},
    )
