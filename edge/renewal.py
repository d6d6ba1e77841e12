"""A running device changes its certificate in good time, by itself."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter

from edge.errors import MienError
from edge.identity import Identity

log = logging.getLogger(__name__)

_EVERY_S = 3_600.0  # whether the certificate is due is looked at so often


async def keep_renewed(identity: Identity | None, counts: Counter[str]) -> None:
    """Renew `identity` whenever it is due, until cancelled; the new one is shown from the next connection on. Counts
    `renewed` and `renew_failed`."""
    while identity is not None:
        try:
            if identity.due():
                await asyncio.to_thread(identity.renew)
                counts["renewed"] += 1
        except MienError as error:
            counts["renew_failed"] += 1
            log.warning("the device's certificate could not be renewed: %s", error)
        except Exception:  # tried again in an hour, as any other failure
            counts["renew_failed"] += 1
            log.exception("renewing the device's certificate failed in an unforeseen way")
        await asyncio.sleep(_EVERY_S)
