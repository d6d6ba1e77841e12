"""The local event stream: one JSON object per line, on standard output or a Unix socket.

Every line has `type` and, where it speaks of a moment, `t_s` (monotonic seconds of the device). Types: `state`,
`description`, `event`, `reply`, `health`, `summary`. What was not perceived is null or absent. Readers ignore types
and keys that they do not know.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from edge.health import Health
from edge.moment import Moment
from edge.types import Description, Event, PersonState


def lines(moment: Moment, *, states: bool = True) -> Iterator[str]:
    """The stream's lines for one moment, with or without its states."""
    for state in moment.states if states else ():
        yield line("state", state)
    for event in moment.events:
        yield line("event", event)
    for description in moment.descriptions:
        yield line("description", description)


def line(kind: str, value: Description | Event | Health | PersonState | Mapping[str, Any]) -> str:
    """One line of type `kind`."""
    return json.dumps({"type": kind, **plain(value)}, ensure_ascii=False, separators=(",", ":"))


def plain(value: Any) -> Any:
    """`value` as JSON knows it: objects as dicts, numbers to three decimals."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return [plain(one) for one in value]
    if isinstance(value, bool) or value is None or isinstance(value, str | int):
        return value
    return round(float(value), 3)
