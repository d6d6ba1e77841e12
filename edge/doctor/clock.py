"""Can the wall clock be believed? TLS and the time stamps of envelopes need it."""

from __future__ import annotations

import datetime

from edge import clock
from edge.config import Config
from edge.doctor.base import Finding


def check(config: Config) -> list[Finding]:
    """A board without a clock battery starts in 1970 until the network tells it the time."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    if clock.clock_synced():
        return [Finding("clock", "ok", f"it is {now}")]
    tls = any(uri.startswith(("grpcs:", "mqtts:")) for uri in config.link.bridges)
    return [
        Finding(
            "clock",
            "fail" if tls else "warn",
            f"the clock says {now}, which cannot be{'; TLS will refuse every certificate' if tls else ''}",
            "connect to a network and wait, or see `timedatectl`",
        )
    ]
