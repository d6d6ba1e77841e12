"""A real PulseAudio server without hardware: a null sink, whose monitor is the microphone."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_NEEDED = ("pulseaudio", "pactl")


@contextmanager
def sound_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run the server for the time of the block; skips where Debian's `pulseaudio` is not installed."""
    missing = [name for name in _NEEDED if shutil.which(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed: apt install pulseaudio pulseaudio-utils libasound2-plugins")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / ".asoundrc").write_text("pcm.!default { type pulse }\nctl.!default { type pulse }\n")
        monkeypatch.setenv("HOME", folder)
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        monkeypatch.setenv("PULSE_SERVER", f"unix:{folder}/socket")
        command = ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"]
        command += ["-L", f"module-native-protocol-unix socket={folder}/socket auth-anonymous=1"]
        command += ["-L", "module-null-sink sink_name=mien rate=48000"]
        with (home / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as server:
            try:
                end = time.monotonic() + 20
                while subprocess.run(["pactl", "info"], capture_output=True, check=False).returncode:
                    assert server.poll() is None, (home / "log").read_text()
                    assert time.monotonic() < end, "pulseaudio did not start"
                    time.sleep(0.1)
                yield
            finally:
                server.terminate()
