"""A clip of the drawn face can stand in for a person in a demo, from file to detectors."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from edge.clip import make_clip
from edge.errors import ConfigError, SensorMissing
from edge.sensors.file import FileSensor
from tests.edge.sensors.media import drain, samples
from tests.edge.sensors.test_synthetic import need


@pytest.mark.parametrize("suffix", ["mp4", "webm"])
def test_it_plays_as_any_clip(tmp_path: Path, suffix: str) -> None:
    """Face and voice come back from the file together: the face on every picture, the voice where it was put."""
    need("face_detector")
    from models.face_detector import FaceDetector

    voice = np.sin(2 * np.pi * 300 * np.arange(32_000) / 16_000) * 0.4
    soundfile.write(tmp_path / "voice.wav", voice, 16_000)
    make_clip(tmp_path / f"clip.{suffix}", "All is well.", tmp_path / "voice.wav", script="neutral:1,smile")
    sensor = FileSensor(tmp_path / f"clip.{suffix}", paced=False)
    sensor.open()
    heard, seen, errors = drain(sensor)
    assert errors == []
    assert len(seen) == pytest.approx(80, abs=2)
    detector = FaceDetector()
    assert all(detector.detect(one.pixels) for one in seen[::8])
    loud = np.flatnonzero(np.abs(samples(heard)) > 0.2) / 16_000
    assert loud[0] == pytest.approx(0.4, abs=0.05)
    assert loud[-1] == pytest.approx(2.4, abs=0.05)
    with av.open(str(tmp_path / f"clip.{suffix}")) as container:
        tags = {key.lower(): value for key, value in container.metadata.items()}
        assert tags["title"] == "All is well."


def test_without_a_voice_it_hums(tmp_path: Path) -> None:
    """No voice at hand: a face and a sound, and no words that nobody said."""
    make_clip(tmp_path / "clip.mp4", "A sentence of a fair length, to hum.", None)
    sensor = FileSensor(tmp_path / "clip.mp4", paced=False)
    sensor.open()
    heard, seen, _ = drain(sensor)
    assert np.abs(samples(heard)).max() > 0.1
    assert len(seen) > 60


def test_what_cannot_be_made_is_told(tmp_path: Path) -> None:
    """A file type or a voice that will not do is one error, and leaves nothing behind."""
    with pytest.raises(ConfigError, match=r"\.webm or \.mp4"):
        make_clip(tmp_path / "clip.gif", "x", None)
    with pytest.raises(SensorMissing):
        make_clip(tmp_path / "clip.mp4", "x", tmp_path / "none.wav")
    assert list(tmp_path.iterdir()) == []
