"""The device's event loop: asyncio's own, with a short way from a socket that has something to who reads it.

asyncio asks a selector which sockets can be read, queues their readers, and then runs the queue: some ten functions,
which a process that was woken runs with cold caches. Here the selector calls the reader itself. And it asks by poll(2),
which tells of the few sockets of a device sooner than epoll(7) does.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import select
import selectors
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVarTuple

_Ts = TypeVarTuple("_Ts")


def event_loop() -> asyncio.AbstractEventLoop:
    """A fresh loop."""
    return _Loop()


class _Selector(selectors.PollSelector):
    """As its parent, but calls those in `prompt` itself; `failed` is called with what they raise."""

    _selector: select.poll  # the parent's own name

    def __init__(self, failed: Callable[[Exception], None]) -> None:
        super().__init__()
        self.prompt: dict[int, Callable[[], object]] = {}  # descriptor → who reads it
        self._failed = failed

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        wait_ms = None if timeout is None else math.ceil(max(timeout, 0.0) * 1e3)  # rather late than in vain
        prompt, others = self.prompt, False
        for descriptor, event in self._selector.poll(wait_ms):
            if event == select.POLLIN and descriptor in prompt:
                try:
                    prompt[descriptor]()
                except Exception as error:
                    self._failed(error)
            else:
                others = True
        return super().select(0) if others else []


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._own = _Selector(self._reader_failed)
        super().__init__(self._own)

    def add_reader(self, fd: Any, callback: Callable[[*_Ts], Any], *args: *_Ts) -> None:
        super().add_reader(fd, callback, *args)
        self._own.prompt[self._own.get_key(fd).fd] = partial(callback, *args) if args else callback

    def remove_reader(self, fd: Any) -> bool:
        with contextlib.suppress(KeyError, RuntimeError):  # it has none; the loop is closed
            self._own.prompt.pop(self._own.get_key(fd).fd, None)  # the key knows the number of a closed socket, too
        return super().remove_reader(fd)

    def _reader_failed(self, error: Exception) -> None:
        self.call_exception_handler({"message": "the reader of a socket failed", "exception": error})
