"""Is the device's certificate still good for a while?"""

from __future__ import annotations

import time

from edge.config import Config
from edge.doctor.base import Finding, of_error
from edge.errors import ConfigError
from edge.identity import Identity


def check(config: Config) -> list[Finding]:
    """One finding. A device that was not enrolled is fine: other files, or a trusted network, serve."""
    identity = Identity.of(config)
    if identity is None:
        return [Finding("identity", "ok", "not enrolled: no certificate of its own")]
    try:
        about, (_, until_s) = identity.about, identity.life_s()
        due = identity.due()
    except ConfigError as error:
        return [of_error("identity", error)]
    name, days = about["device"], (until_s - time.time()) / 86_400
    if days <= 0:
        mend = "enroll again: `mien bridge claim new` there, `mien enroll` here; or set the clock"
        return [Finding("identity", "fail", f"the certificate of '{name}' has run out", mend)]
    if name != config.device:
        mend = f'set device = "{name}" in the settings, or enroll again'
        return [Finding("identity", "fail", f"this device is enrolled as '{name}', but called '{config.device}'", mend)]
    if due:
        mend = f"`mien enroll --renew`; a running device does it by itself while {about['address']} can be reached"
        return [Finding("identity", "warn", f"the certificate of '{name}' runs out in {days:.0f} days", mend)]
    return [Finding("identity", "ok", f"'{name}' has a certificate for {days:.0f} days")]
