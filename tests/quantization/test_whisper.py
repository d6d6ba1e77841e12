"""The encoder is built the same everywhere, and int8 stays close to float."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from models import card, store
from models.errors import ModelMissing
from models.whisper_encoder import encode
from quantization.ct2 import Ct2Weights
from quantization.whisper import build_encoder, encoder_graph


@pytest.fixture(scope="module")
def source() -> Path:
    try:
        return store.path("whisper_tiny_en")
    except ModelMissing as reason:
        pytest.skip(str(reason))


def _speechlike(seconds: float) -> np.ndarray:
    """A buzz with a moving pitch and syllables: enough structure to move every layer."""
    t_s = np.arange(int(16_000 * seconds)) / 16_000
    phase = 2 * np.pi * np.cumsum(140 + 40 * np.sin(2 * np.pi * 0.7 * t_s)) / 16_000
    buzz = sum(np.sin(k * phase) / k for k in range(1, 25))
    syllables = 0.55 + 0.45 * np.sin(2 * np.pi * 4 * t_s)
    noise = np.random.default_rng(3).standard_normal(len(t_s)) * 0.01
    return ((buzz * syllables + noise) * 0.1).astype(np.float32)


def test_the_build_is_the_file_of_the_card(source: Path, tmp_path: Path) -> None:
    """Byte for byte: whoever builds it gets the sha256 that the card pins."""
    out = tmp_path / "encoder.onnx"
    build_encoder({"whisper_tiny_en": source}, out)
    assert hashlib.sha256(out.read_bytes()).hexdigest() == card.read("whisper_encoder").sha256


def test_int8_agrees_with_float(source: Path, tmp_path: Path) -> None:
    """Half-range weights do not overflow the 16-bit sums of a processor without VNNI: frames stay within 8 %."""
    files = {}
    for int8 in (False, True):
        files[int8] = tmp_path / f"encoder-{int8}.onnx"
        graph = encoder_graph(Ct2Weights.read(source), int8=int8)
        files[int8].write_bytes(graph.SerializeToString(deterministic=True))
    sound = _speechlike(2.3)
    exact, small = encode(sound, files[False]), encode(sound, files[True])
    assert exact.shape == small.shape == (115, 1152)
    for block in np.split(np.stack([exact, small]), 3, axis=2):
        error = np.linalg.norm(block[1] - block[0]) / np.linalg.norm(block[0])
        assert 0.0 < error < 0.08
