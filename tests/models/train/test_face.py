"""Beginning a run with what an earlier one learned: what only torch can prove, that the nets which it makes and reads
say what the arrays of test_face_widths and the labels of test_face_plan promise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from models.errors import ModelError
from models.train import face
from models.train.face_net import FaceNet, narrowed
from models.train.face_widths import SHIPPED, WIDE


def _wide() -> FaceNet:
    """A wide net that says something, and none of whose channels is idle."""
    torch.manual_seed(5)
    net = FaceNet(WIDE).eval()
    torch.nn.init.normal_(net.head.weight, std=0.1)
    for block in net.blocks():
        torch.nn.init.ones_(block.second[1].weight)
    return net


def _silence(net: FaceNet) -> None:
    """Let nothing take up more channels than the shipped net has."""
    for block, count in zip(net.blocks(), SHIPPED, strict=True):
        block.second[0].weight.data[:, :-count] = 0.0


def test_a_narrowed_net_is_read_and_says_what_the_wide_one_said():
    """As long as its widths hold all that counts; what a channel adds is taken from torch's own pass."""
    wide = _wide()
    _silence(wide)
    pixels = np.random.default_rng(1).integers(0, 256, (4, 48, 48), np.uint8)
    narrow = narrowed(wide, SHIPPED, torch.from_numpy(face.standardise(pixels)))
    assert [block.first[0].out_channels for block in narrow.blocks()] == list(SHIPPED)
    assert np.allclose(face.logits_of(narrow, pixels), face.logits_of(wide, pixels), atol=1e-3)


def test_a_checkpoint_is_read_whatever_its_widths(tmp_path: Path):
    """The teacher may be wider than the net that ships."""
    wide = _wide()
    torch.save({"average": wide.state_dict()}, tmp_path / "checkpoint.pt")
    pixels = np.random.default_rng(3).integers(0, 256, (4, 48, 48), np.uint8)
    found = face.earlier(tmp_path / "checkpoint.pt")
    assert np.array_equal(face.logits_of(found, pixels), face.logits_of(wide, pixels))


@pytest.mark.parametrize("content", [{}, {"average": {"head.bias": torch.zeros(8)}}, {"average": {"other": 1.0}}])
def test_weights_of_another_net_are_refused(tmp_path: Path, content: dict[str, object]):
    """Anything else would train from noise unseen."""
    torch.save(content, tmp_path / "checkpoint.pt")
    with pytest.raises(ModelError, match="another net"):
        face.earlier(tmp_path / "checkpoint.pt")


def test_a_teacher_says_the_same_of_a_mirrored_picture():
    """It is asked for both sides of each: a face has no handedness."""
    teacher = _wide()
    pixels = np.random.default_rng(2).integers(0, 256, (6, 48, 48), np.uint8)
    votes = np.eye(8, dtype=np.float32)[:6]
    mixed = face.taught_by(votes, [teacher], pixels)
    mirrored = face.taught_by(votes, [teacher], np.ascontiguousarray(pixels[:, :, ::-1]))
    assert np.allclose(mixed, mirrored, atol=1e-5)
    assert np.abs(mixed - votes).max() > 0.1
