"""`rtsp://user:password@host:554/path`: a network camera over RTSP, by TCP (UDP loses packets on radio links)."""

from __future__ import annotations

from edge.plugin import Uri
from edge.sensors._network import NetworkCamera


def from_uri(uri: Uri, *, paced: bool = True) -> NetworkCamera:
    """The camera at this address; its whole query is the camera's own."""
    return NetworkCamera(uri.text, settings={"rtsp_transport": "tcp"})
