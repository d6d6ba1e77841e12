"""What a bridge with thousands of devices asks of the interpreter and the machine."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable

_YOUNG = 5_000  # objects between two looks of the collector, each some ms; a bridge's sessions are not garbage
_SWITCH_S = 0.001  # a thread that has written waits so long for the event loop to let go of the interpreter


def event_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """How to make the event loop: uvloop's, which spends half as much on a packet, where it can be had."""
    try:
        import uvloop
    except ImportError:
        return None
    found: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return found


def settle() -> None:
    """Called once everything is loaded: what is here stays, and the collector need not look at it again.

    A look at everything stops a bridge of 2,000 devices for a tenth of a second, so it is left for real growth.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 3, 1_000)
    sys.setswitchinterval(_SWITCH_S)


def allow_files() -> None:
    """A connection is an open file, and a shell allows 1,024 of them: take as many as this process may."""
    if sys.platform != "win32":
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
