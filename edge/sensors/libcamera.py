"""`libcamera://0`: a Raspberry Pi's ribbon camera, through `rpicam-vid` (or `libcamera-vid`, its older name).

OpenCV's wheels cannot open these cameras. The program writes I420 pictures whose lines are padded to 64 bytes.
Options: `?width=640&height=480&fps=30&program=rpicam-vid&stride=…` (stride: where a board pads otherwise).
"""

from __future__ import annotations

import shutil

from edge.errors import ConfigError
from edge.plugin import Uri
from edge.sensors._raw import RawPipe
from edge.sensors.base import options, positive

_PROGRAMS = ("rpicam-vid", "libcamera-vid")
_PAD = 64  # bytes: the Pi's image processor aligns each line of Y to this


def from_uri(uri: Uri, *, paced: bool = True) -> RawPipe:
    """The ribbon camera that `uri` names by number. Raises ConfigError."""
    chosen = options(uri, width="640", height="480", fps="30", program="", stride="")
    camera = uri.host or "0"
    if not camera.isdigit():
        raise ConfigError(f"{uri.text}: name the camera by number, as in libcamera://0")
    width, height = positive(uri, "width", chosen["width"]), positive(uri, "height", chosen["height"])
    if width % 2 or height % 2:
        raise ConfigError(f"{uri.text}: width and height must be even")
    stride = positive(uri, "stride", chosen["stride"]) if chosen["stride"] else -(-width // _PAD) * _PAD
    if stride < width or stride % 2:
        raise ConfigError(f"{uri.text}: stride must be even, and no less than the width")
    program = chosen["program"] or next(filter(shutil.which, _PROGRAMS), _PROGRAMS[0])
    size = ["--width", str(width), "--height", str(height), "--framerate", str(positive(uri, "fps", chosen["fps"]))]
    command = [
        program,
        "--timeout",
        "0",
        "--nopreview",
        "--camera",
        camera,
        *size,
        "--codec",
        "yuv420",
        "--flush",
        "--output",
        "-",
    ]
    return RawPipe(
        uri.text,
        program,
        lambda _: command,
        to_stdout=True,
        full_range=True,  # rpicam-vid asks for the JPEG colour space with this codec
        width=width,
        height=height,
        stride=stride,
        mend="on a Raspberry Pi `sudo apt install rpicam-apps`, then see `rpicam-hello --list-cameras`",
    )
