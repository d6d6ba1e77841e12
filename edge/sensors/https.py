"""`https://host/video`: as `http://`, encrypted."""

from __future__ import annotations

from edge.plugin import Uri
from edge.sensors._network import NetworkCamera


def from_uri(uri: Uri, *, paced: bool = True) -> NetworkCamera:
    """The camera at this address; its whole query is the camera's own."""
    return NetworkCamera(uri.text, settings={"tls_verify": "1"})
