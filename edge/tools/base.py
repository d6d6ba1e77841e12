"""A tool is one file, `edge/tools/NAME.py`, with a function `call(place, *, …)` whose annotated parameters say what it
takes: `str`, `float` or `bool`; `**figures: float` takes any numbers. A rule that calls it is checked against them."""

from __future__ import annotations

import inspect
import logging
import typing
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Any

from edge import plugin
from edge.errors import ConfigError

log = logging.getLogger(__name__)
_WAITING = 8  # calls that may wait for one that is slow; what exceeds it is dropped and counted
_KINDS = {str: "text", float: "number", int: "number", bool: "flag"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tool acts. `outputs`: those of the settings, e.g. `speaker`."""

    outputs: Sequence[str]


class Toolbox:
    """Runs tools one after another on a thread of its own: a slow one must not hold up perception.

    `faults` counts calls that failed, `dropped` those that found no room.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._worker = ThreadPoolExecutor(1, "tools")
        self._lock = Lock()
        self._waiting = 0
        self.faults = self.dropped = 0

    def tools(self) -> dict[str, Callable[..., None]]:
        """A function per tool, which returns at once."""
        return {name: partial(self._submit, name) for name in plugin.names("edge.tools")}

    def close(self) -> None:
        """Let the running call end, forget those that wait."""
        self._worker.shutdown(wait=True, cancel_futures=True)

    def _submit(self, name: str, /, **arguments: str | float | bool) -> None:
        with self._lock:
            if self._waiting >= _WAITING:
                self.dropped += 1
                return
            self._waiting += 1
        self._worker.submit(self._run, name, arguments)

    def _run(self, name: str, arguments: dict[str, str | float | bool]) -> None:
        try:
            plugin.load("edge.tools", name).call(self._place, **arguments)
        except Exception as error:  # whatever a tool does, the next call is tried
            self.faults += 1
            log.warning("tool '%s' failed: %s", name, error)
        finally:
            with self._lock:
                self._waiting -= 1


def check(name: str, kinds: Mapping[str, str]) -> None:
    """Whether tool `name` takes arguments of these kinds (`text`, `number`, `flag`); a name that is no tool of the
    device may be one of the bridge and is not checked. Raises ConfigError."""
    if name not in plugin.names("edge.tools"):
        return
    function = plugin.load("edge.tools", name).call
    hints = typing.get_type_hints(function)
    place, *wanted = inspect.signature(function).parameters.values()
    known = {one.name: one for one in wanted if one.kind is not inspect.Parameter.VAR_KEYWORD}
    rest = next((one for one in wanted if one.kind is inspect.Parameter.VAR_KEYWORD), None)
    for argument, kind in kinds.items():
        parameter = known.get(argument) or rest
        if parameter is None or argument == place.name:
            raise ConfigError(f"tool '{name}' takes no '{argument}': it takes {', '.join(known) or 'nothing'}")
        if (takes := _kind(hints[parameter.name])) != kind:
            raise ConfigError(f"tool '{name}' takes a {takes} as '{argument}', not a {kind}")
    missing = [one.name for one in known.values() if one.default is inspect.Parameter.empty and one.name not in kinds]
    if missing:
        raise ConfigError(f"tool '{name}' needs {', '.join(missing)}: add it to the rule's arguments")


def _kind(hint: Any) -> str:
    plain = [one for one in typing.get_args(hint) or (hint,) if one is not type(None)]
    return _KINDS[plain[0]]
