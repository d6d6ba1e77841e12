"""What the device does: sense, perceive, fuse, describe, forward, answer.

Integrators may rely on the names below; they load on first use, so that importing `edge` stays light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge.config import Config
    from edge.errors import MienError
    from edge.runtime import Runtime
    from edge.types import Description, Event, PersonState

__all__ = ["Config", "Description", "Event", "MienError", "PersonState", "Runtime"]

_HOME = {
    "Config": "edge.config",
    "Description": "edge.types",
    "Event": "edge.types",
    "MienError": "edge.errors",
    "PersonState": "edge.types",
    "Runtime": "edge.runtime",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'edge' has no attribute '{name}'")
