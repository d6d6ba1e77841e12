"""The shipped head gives calibrated, complete answers, and refuses what it cannot judge."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models import card
from models.errors import InputError, ModelCorrupt
from models.voice_head import CORE, MIN_FRAMES, VoiceHead, pooled


@pytest.fixture(scope="module")
def head() -> VoiceHead:
    return VoiceHead()


def _frames(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, 1152)).astype(np.float32)


def test_pooling_is_mean_and_spread() -> None:
    """Both per number, over time."""
    frames = _frames(40)
    vector = pooled(frames)
    np.testing.assert_allclose(vector[:1152], frames.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(vector[1152:], frames.std(axis=0), atol=1e-3)


@pytest.mark.parametrize("shape", [(10, 384), (0, 1152), (1152,)])
def test_frames_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    """With a typed error that says what is taken."""
    with pytest.raises(InputError, match="1152"):
        pooled(np.zeros(shape, dtype=np.float32))


def test_an_estimate_is_complete(head: VoiceHead) -> None:
    """Probabilities sum to one, places lie in range, the labels are the card's."""
    estimate = head.estimate(_frames(100))
    assert estimate is not None
    assert tuple(estimate.probs) == CORE == tuple(card.read("voice_head").labels)
    assert sum(estimate.probs.values()) == pytest.approx(1.0, abs=1e-5)
    assert sum(estimate.fine.values()) == pytest.approx(1.0, abs=1e-5)
    assert set(estimate.bursts) == {"laughter", "cry", "sigh"}
    assert -1 <= estimate.valence <= 1
    assert -1 <= estimate.arousal <= 1
    assert estimate.confidence == pytest.approx(max(estimate.probs.values()))
    assert estimate.listened_s == pytest.approx(2.0)


def test_too_little_speech_gives_no_estimate(head: VoiceHead) -> None:
    """None, never a flat or neutral guess."""
    assert head.estimate(_frames(MIN_FRAMES - 1)) is None
    assert head.judge([]) is None


@pytest.mark.parametrize("frames", [MIN_FRAMES, 50, 137])
def test_the_core_alone_is_the_estimates(head: VoiceHead, frames: int) -> None:
    """Calibrated for its length like it, and None where that is None."""
    estimate, probs = head.estimate(_frames(frames)), head.probs(_frames(frames))
    assert estimate is not None
    assert probs == pytest.approx(estimate.probs, abs=1e-5)
    assert head.probs(_frames(MIN_FRAMES - 1)) is None


def test_windows_weigh_by_their_length(head: VoiceHead) -> None:
    """Six seconds and three: the joint log-odds are two thirds of the one and a third of the other."""

    def log_odds(windows: list[np.ndarray]) -> np.ndarray:
        estimate = head.judge(windows)
        assert estimate is not None
        logs = np.log([estimate.probs[label] for label in CORE])
        return np.asarray(logs - logs.mean())

    long, short = _frames(300, 1), _frames(150, 2)
    expected = (2 * log_odds([long]) + log_odds([short])) / 3
    np.testing.assert_allclose(log_odds([long, short]), expected, atol=1e-3)


def test_a_broken_weights_file_names_the_mend(tmp_path: Path) -> None:
    """A file that is no head is ModelCorrupt, with the command that makes one."""
    broken = tmp_path / "head.npz"
    broken.write_bytes(b"not a zip")
    with pytest.raises(ModelCorrupt, match="mien train voice"):
        VoiceHead(broken)
    np.savez(broken, core=np.zeros(3))
    with pytest.raises(ModelCorrupt):
        VoiceHead(broken)
