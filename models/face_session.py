"""Which engine runs the face networks: LiteRT, or ONNX Runtime where that is not to be had."""

from __future__ import annotations

from models.errors import RuntimeMissing
from models.session import Session, open_model


def open_face(name: str) -> Session:
    """A session of face network `name`. Without LiteRT it is the same network as ONNX (card `NAME_onnx`; Google's
    are built by `mien models pull`): equal to five digits, the landmarks at about twice the time.

    Raises ModelError.
    """
    try:
        return open_model(name)
    except RuntimeMissing:
        return open_model(f"{name}_onnx")
