"""PortAudio, shared by the microphone and the speaker.

PortAudio lists the devices once, when it starts: what is plugged in later stays invisible until it is started anew,
which ends every open stream. So it is started anew before a stream opens, but only while no other is open.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
import threading
from collections.abc import Iterator
from typing import Any

# ALSA writes its own messages onto the terminal whenever devices are listed; what matters comes as an exception.
_ALSA_HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p)
_alsa_silence = _ALSA_HANDLER(lambda *_: None)

_lock = threading.RLock()
_open_streams = 0


class NoPortAudio(Exception):  # noqa: N818
    """The library is not installed. The text says how to install it."""


def library() -> Any:
    """The `sounddevice` module. Raises NoPortAudio with the mend."""
    if "sounddevice" not in sys.modules:
        with contextlib.suppress(OSError, AttributeError):  # no ALSA here
            ctypes.CDLL("libasound.so.2").snd_lib_error_set_handler(_alsa_silence)
    try:
        import sounddevice
    except ImportError as error:
        raise NoPortAudio("the Python package sounddevice is missing: pip install 'mien[edge]'") from error
    except OSError as error:  # the package is there, the C library is not
        raise NoPortAudio("PortAudio is missing: `sudo apt install libportaudio2`") from error
    return sounddevice


@contextlib.contextmanager
def opening() -> Iterator[Any]:
    """Hold PortAudio while a stream is opened, with a fresh list of devices where no other stream is open.

    The stream counts as open when the block ends without an exception; tell `closed` when it is closed.
    """
    global _open_streams
    sounddevice = library()
    with _lock:
        if _open_streams == 0:
            sounddevice._terminate()
            sounddevice._initialize()
        yield sounddevice
        _open_streams += 1


def closed() -> None:
    """A stream that `opening` had counted is closed."""
    global _open_streams
    with _lock:
        _open_streams -= 1
