"""What a peer's process used at most: the peers' scripts, which run without our package, import it from beside them."""

from pathlib import Path


def peak_mb() -> float:
    """Highest resident memory of this process; what `getrusage` tells includes the parent's before exec."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1.024e-3
