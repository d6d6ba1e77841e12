"""Heads for held-out actors: what they must not have heard, and that they work as the shipped one does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.joint_heads import FINE, learn
from models.train.voice_data import Rows
from models.voice_head import VoiceHead


def test_a_head_hears_its_actors_alone_and_reads_like_the_shipped_one(tmp_path: Path) -> None:
    """Whatever is held out may be broken: it is not touched. The classes come out named, calibrated, with bursts."""
    rng = np.random.default_rng(0)
    clips, width = 6 * len(FINE) * 6, 2304
    labels = np.arange(clips) % len(FINE)
    actors = np.array([f"actor{i // (6 * len(FINE))}" for i in range(clips)])
    centres = rng.normal(0, 1, (len(FINE), width))
    x = (centres[labels] + rng.normal(0, 1, (clips, width))).astype(np.float16)
    held = actors == "actor5"
    x[held] = np.nan
    file = tmp_path / "head.npz"
    rows = Rows(x, np.arange(clips), np.ones(clips, np.float32))
    learn([rows], [rows], labels, actors, ~held, file=file)
    head = VoiceHead(file)
    assert head.fine_labels == FINE
    mean, spread = np.split(centres[FINE.index("sad")].astype(np.float32), 2)
    frames = mean + np.abs(spread) * rng.choice([-1, 1], (50, width // 2)).astype(np.float32)
    found = head.estimate(frames.astype(np.float32))
    assert found is not None
    assert max(found.probs, key=found.probs.__getitem__) == "sad"
    assert sum(found.fine.values()) == pytest.approx(1)
    shipped = VoiceHead().estimate(frames.astype(np.float32))
    assert shipped is not None
    assert set(found.bursts) == set(shipped.bursts)
