"""The shipped expression net on real and on spoilt faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.errors import InputError
from models.expression import EXPRESSIONS, INPUT_SIZE, ExpressionNet, standardise

_VALID = 300


@pytest.fixture(scope="module")
def net() -> ExpressionNet:
    return ExpressionNet()


@pytest.fixture(scope="module")
def faces(data: Path):
    """Every n-th decided picture of the part that was used for choices, never for weights."""
    from models.train.face_data import load

    valid = load(data, "valid").decided()
    return valid.take(np.arange(0, len(valid), len(valid) // _VALID))


def test_shipped_weights_read_real_faces(net, faces):
    """The committed file is right about real faces far more often than always saying the commonest would be."""
    shares = net.probabilities(faces.pixels)
    assert (shares.argmax(1) == faces.majority).mean() > 0.78
    assert np.bincount(faces.majority).max() / len(faces) < 0.45


def test_smiles_and_tears_differ(net, faces):
    """Valence tells smiling faces from sad ones."""
    happy, sad = (faces.pixels[faces.majority == EXPRESSIONS.index(name)] for name in ("happy", "sad"))
    assert len(happy) > 20
    assert len(sad) > 20
    smiles = [net.read(one).valence for one in happy]
    tears = [net.read(one).valence for one in sad]
    assert np.mean(smiles) > 0.4
    assert np.mean(tears) < -0.1


def test_darkness_costs_little(net, faces):
    """A dark room (gamma 3) leaves at least 90 % of what was right."""
    dark = np.round(255.0 * (faces.pixels / 255.0) ** 3).astype(np.uint8)
    clean = (net.probabilities(faces.pixels).argmax(1) == faces.majority).mean()
    assert (net.probabilities(dark).argmax(1) == faces.majority).mean() >= 0.9 * clean


def test_doubt_is_said(net, faces):
    """What is called unclear is wrong far more often than what is not, and a hidden mouth brings more doubt."""
    read = [net.read(one) for one in faces.pixels]
    wrong = np.array([EXPRESSIONS.index(one.label) for one in read]) != faces.majority
    unclear = np.array([one.unclear for one in read])
    assert wrong[unclear].mean() > 2 * wrong[~unclear].mean()
    masked = faces.pixels.copy()
    masked[:, INPUT_SIZE // 2 :] = 0
    assert np.mean([net.read(one).unclear for one in masked]) > unclear.mean()


def test_confidence_means_what_it_says(net, faces):
    """Mean confidence lies near the share of right answers."""
    shares = net.probabilities(faces.pixels)
    right = (shares.argmax(1) == faces.majority).mean()
    assert abs(float(shares.max(1).mean()) - right) < 0.06


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_flat_picture_is_unclear(net, grey):
    """A covered or blinded camera gives no expression that anybody may rely on."""
    assert net.read(np.full((INPUT_SIZE, INPUT_SIZE), grey, np.uint8)).unclear


def test_read_agrees_with_the_batch(net):
    """One crop and the same crop among others give the same probabilities, which sum to 1, by name."""
    crops = np.random.default_rng(0).integers(0, 256, (3, INPUT_SIZE, INPUT_SIZE), np.uint8)
    shares = net.probabilities(crops)
    assert shares.shape == (3, len(EXPRESSIONS))
    assert shares.sum(1) == pytest.approx(1.0, abs=1e-5)
    one = net.read(crops[1])
    assert list(one.probs) == list(EXPRESSIONS)
    assert list(one.probs.values()) == pytest.approx(shares[1].tolist(), abs=1e-5)
    assert one.confidence == max(one.probs.values()) == one.probs[one.label]
    assert -1.0 <= one.valence <= 1.0
    assert -1.0 <= one.arousal <= 1.0


@pytest.mark.parametrize(
    "crop",
    [
        np.zeros((INPUT_SIZE, INPUT_SIZE, 3), np.uint8),
        np.zeros((64, 64), np.uint8),
        np.zeros((INPUT_SIZE, INPUT_SIZE), np.float32),
        np.zeros((1, INPUT_SIZE, INPUT_SIZE), np.uint8),
    ],
)
def test_wrong_crops_are_named(net, crop):
    """A crop of another shape or type is refused with what was expected."""
    with pytest.raises(InputError, match=r"48x48|axes"):
        net.read(crop)


def test_no_crops_are_refused(net):
    """An empty batch is a mistake, not an empty answer."""
    with pytest.raises(InputError):
        net.probabilities(np.zeros((0, INPUT_SIZE, INPUT_SIZE), np.uint8))


def test_brightness_and_contrast_do_not_count():
    """Two pictures that differ by gain and offset are the same to the net."""
    face = np.random.default_rng(1).integers(60, 120, (1, INPUT_SIZE, INPUT_SIZE), np.uint8)
    assert standardise(face) == pytest.approx(standardise(face * 2 + 10), abs=1e-3)


@pytest.mark.parametrize(("loaded", "engine"), [(True, "_Onnx"), (False, "_LiteRt")])
def test_it_brings_no_second_engine(monkeypatch: pytest.MonkeyPatch, loaded: bool, engine: str):
    """ONNX Runtime serves where the voice has loaded it; alone, the face does without its 30 MB."""
    import sys

    import onnxruntime

    if loaded:
        monkeypatch.setitem(sys.modules, "onnxruntime", onnxruntime)
    else:
        monkeypatch.delitem(sys.modules, "onnxruntime")
    assert type(ExpressionNet()._session).__name__ == engine
