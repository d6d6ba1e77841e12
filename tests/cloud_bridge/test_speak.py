"""One text into one sound file, as the demo makes its own clip's voice."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import wave
from pathlib import Path

import pytest

from cloud_bridge.errors import BridgeError
from cloud_bridge.speak import speak
from models import card, store

HERE = importlib.util.find_spec("piper") is not None and store.location(card.read("tts_joe")).is_file()


@pytest.mark.skipif(not HERE, reason="the voice is not here")
def test_it_writes_a_file_that_can_be_heard(tmp_path: Path) -> None:
    """`python -m cloud_bridge.speak TEXT OUT.wav` leaves 16-bit mono sound of a plausible length."""
    out = tmp_path / "out.wav"
    command = [sys.executable, "-m", "cloud_bridge.speak", "Hello there. This is the second sentence.", str(out)]
    subprocess.run(command, check=True, timeout=120)
    with wave.open(str(out)) as sound:
        assert (sound.getnchannels(), sound.getsampwidth()) == (1, 2)
        assert 1.5 < sound.getnframes() / sound.getframerate() < 6.0


@pytest.mark.skipif(not HERE, reason="the voice is not here")
async def test_mouth_shapes_cover_all_sentences(tmp_path: Path) -> None:
    """Shapes of the second sentence come after those of the first, without a gap, to the end of the file."""
    out = tmp_path / "out.wav"
    _, shapes = await speak("One. Two.", out)
    at = 0
    for shape in shapes:
        assert shape.at == at
        at += shape.length
    with wave.open(str(out)) as sound:
        assert at == sound.getnframes()


async def test_no_voice_is_an_error(tmp_path: Path) -> None:
    """Nothing is written where nothing can be said."""
    with pytest.raises(BridgeError, match="no voice is chosen"):
        await speak("Hello.", tmp_path / "out.wav", tts="none")
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240
