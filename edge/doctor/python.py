"""Are the packages that a device needs installed?"""

from __future__ import annotations

import importlib.util
import platform

from edge.config import Config
from edge.doctor.base import Finding

_NEEDED = ("numpy", "cv2", "av", "onnxruntime", "sounddevice", "grpc", "google.protobuf", "paho.mqtt")
_EITHER = ("ai_edge_litert", "tflite_runtime")


def check(config: Config) -> list[Finding]:
    """Looks for the packages without loading them."""
    version = platform.python_version()
    missing = [name for name in _NEEDED if not _there(name)]
    if not any(map(_there, _EITHER)):
        missing.append(" or ".join(_EITHER))
    if missing:
        return [
            Finding("python", "fail", f"Python {version}; missing: {', '.join(missing)}", "pip install 'mien[edge]'")
        ]
    return [Finding("python", "ok", f"Python {version}, every package is there")]


def _there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # the package around it is missing
        return False
