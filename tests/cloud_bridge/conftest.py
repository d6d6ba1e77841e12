"""The bridge is tested on the event loop that it ships with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from cloud_bridge.engine import event_loop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """See pytest-asyncio. Tests of the device's side keep asyncio's own loop, as the device does."""
    return {"shipped": event_loop() or asyncio.new_event_loop}
