"""What is wrong with this device, and how to mend it: one module per check, with `check(config) -> list[Finding]`."""

from edge.doctor.base import Finding, run_all

__all__ = ["Finding", "run_all"]
