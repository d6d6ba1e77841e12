"""`argus://0`: a Jetson's ribbon camera, through `gst-launch-1.0 nvarguscamerasrc`.

OpenCV's wheels have no GStreamer. Options: `?width=1280&height=720&fps=30&program=gst-launch-1.0`.
"""

from __future__ import annotations

from edge.errors import ConfigError
from edge.plugin import Uri
from edge.sensors._raw import RawPipe
from edge.sensors.base import options, positive


def from_uri(uri: Uri, *, paced: bool = True) -> RawPipe:
    """The ribbon camera that `uri` names by its sensor id. Raises ConfigError."""
    chosen = options(uri, width="1280", height="720", fps="30", program="gst-launch-1.0")
    camera = uri.host or "0"
    if not camera.isdigit():
        raise ConfigError(f"{uri.text}: name the camera by number, as in argus://0")
    width, height = positive(uri, "width", chosen["width"]), positive(uri, "height", chosen["height"])
    if width % 8 or height % 2:
        raise ConfigError(f"{uri.text}: width must be a multiple of 8 (GStreamer pads other lines), and height even")
    size = f"width={width},height={height}"
    rate = f"framerate={positive(uri, 'fps', chosen['fps'])}/1"
    source = ["nvarguscamerasrc", f"sensor-id={camera}", "!", f"video/x-raw(memory:NVMM),{size},{rate}"]
    convert = ["!", "nvvidconv", "!", f"video/x-raw,format=I420,{size}"]
    return RawPipe(
        uri.text,
        chosen["program"],
        lambda fd: [chosen["program"], "-q", *source, *convert, "!", "fdsink", f"fd={fd}", "sync=false"],
        to_stdout=False,  # the camera libraries chat there
        full_range=False,
        width=width,
        height=height,
        stride=width,
        mend="it comes with JetPack (`sudo apt install nvidia-l4t-gstreamer gstreamer1.0-tools`); "
        "a stuck camera needs `sudo systemctl restart nvargus-daemon`",
    )
