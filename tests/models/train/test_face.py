"""Beginning a run with what an earlier one learned."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from models.errors import ModelError
from models.train import face
from models.train.face_net import FaceNet


def _shallow(file: Path) -> torch.nn.Module:
    """A net without the last block, its weights in `file` as a run leaves them."""
    torch.manual_seed(5)
    net = FaceNet().eval()
    torch.nn.init.normal_(net.head.weight, std=0.1)  # else it says next to nothing
    net.body[5] = torch.nn.Identity()
    torch.save({"average": net.state_dict()}, file)
    return net


def test_a_deeper_net_begins_by_saying_what_the_shallower_one_said(tmp_path: Path):
    """New blocks are identities at first: nothing learned is lost by growing."""
    shallow = _shallow(tmp_path / "checkpoint.pt")
    training = face.Training(epochs=2, seed=3)
    training.start_from(tmp_path / "checkpoint.pt")
    pixels = np.random.default_rng(1).integers(0, 256, (4, 48, 48), np.uint8)
    assert np.allclose(face.logits_of(training.average, pixels), face.logits_of(shallow, pixels), atol=1e-5)
    assert np.allclose(face.logits_of(training.net, pixels), face.logits_of(shallow, pixels), atol=1e-5)


@pytest.mark.parametrize("content", [{}, {"average": {"head.bias": torch.zeros(8)}}, {"average": {"other": 1.0}}])
def test_weights_of_another_net_are_refused(tmp_path: Path, content: dict[str, object]):
    """Only whole new blocks may be missing; anything else would train from noise unseen."""
    torch.save(content, tmp_path / "checkpoint.pt")
    with pytest.raises(ModelError, match="another net"):
        face.Training(epochs=2, seed=3).start_from(tmp_path / "checkpoint.pt")


def test_a_teacher_gives_its_share_of_the_label_and_no_more(tmp_path: Path):
    """The votes keep their share; what the teacher says does not change when the picture is mirrored."""
    teacher = _shallow(tmp_path / "checkpoint.pt")
    pixels = np.random.default_rng(2).integers(0, 256, (6, 48, 48), np.uint8)
    votes = np.eye(8, dtype=np.float32)[:6]
    mixed = face.taught(votes, teacher, pixels)
    assert np.allclose(mixed.sum(1), 1, atol=1e-5)
    assert (mixed[np.arange(6), np.arange(6)] >= 1 - face.TAUGHT).all()
    assert (mixed < 1).all()
    mirrored = face.taught(votes, teacher, np.ascontiguousarray(pixels[:, :, ::-1]))
    assert np.allclose(mixed, mirrored, atol=1e-5)
