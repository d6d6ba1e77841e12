"""What a check finds, and running all checks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from edge import plugin
from edge.config import Config


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found. `mend`: what to do about it; None where all is well."""

    name: str
    state: Literal["ok", "warn", "fail"]
    what: str
    mend: str | None = None


def run_all(config: Config) -> Iterator[Finding]:
    """All findings, each as soon as it is there. Devices are opened briefly, and nothing is changed."""
    for name in plugin.names("edge.doctor"):
        try:
            yield from plugin.load("edge.doctor", name).check(config)
        except Exception as error:  # a check that breaks is a finding, and the others still run
            yield Finding(name, "fail", f"the check itself failed: {type(error).__name__}: {error}", "report this")


def of_error(name: str, error: Exception | str) -> Finding:
    """A failure from one of our errors, whose messages end in `: mend`."""
    what, _, mend = str(error).rpartition(": ")
    return Finding(name, "fail", what or mend, mend if what else None)
