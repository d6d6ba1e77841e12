"""The device as a Python object: states as they come, for robots and cars without any cloud."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType

from edge.config import Config
from edge.loop import Loop
from edge.moment import Moment
from edge.types import PersonState

log = logging.getLogger(__name__)

_END_S = 15.0
_BEHIND = 64  # states that the reader may fall behind; then the oldest go, counted in `dropped`


class Runtime:
    """Perceives while the `async with` block runs; iterating gives each person's state as it changes.

        async with Runtime(Config(sensors=["camera://0", "mic://default"])) as runtime:
            async for state in runtime:
                print(state.person, state.fused)

    `config` may also be the path of a TOML file. Raises what `Loop` raises (ConfigError, ModelError, PluginError …).
    """

    def __init__(self, config: Config | Path | str) -> None:
        self._config = config if isinstance(config, Config) else Config.load(Path(config))
        self._states: asyncio.Queue[PersonState | None] = asyncio.Queue(_BEHIND)
        self._error: BaseException | None = None
        self.dropped = 0

    async def __aenter__(self) -> Runtime:
        self._events = asyncio.get_running_loop()
        self._loop = await asyncio.to_thread(Loop, self._config, watch=self._watch)
        self._thread = threading.Thread(target=self._run, name="mien-loop", daemon=True)
        self._thread.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._loop.stop()
        await asyncio.to_thread(self._thread.join, _END_S)
        if self._thread.is_alive():
            log.warning("perception did not end within %.0f s: a device does not let go", _END_S)

    async def __aiter__(self) -> AsyncIterator[PersonState]:
        while (state := await self._states.get()) is not None:
            yield state
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            self._loop.run()
        except BaseException as error:  # handed to the reader: a thread must not die in silence
            self._error = error
        self._hand_over(None)

    def _watch(self, moment: Moment) -> None:
        for state in moment.states:
            self._hand_over(state)

    def _hand_over(self, state: PersonState | None) -> None:
        if not self._events.is_closed():
            self._events.call_soon_threadsafe(self._put, state)

    def _put(self, state: PersonState | None) -> None:
        if self._states.full():
            self._states.get_nowait()
            self.dropped += 1
        self._states.put_nowait(state)
