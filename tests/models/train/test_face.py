"""Beginning a run with what an earlier one learned."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from models.errors import ModelError
from models.train import face
from models.train.face_net import SHIPPED, WIDE, FaceNet, narrowed


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


def test_channels_that_add_nothing_are_the_ones_left_out():
    """A narrowed net says what the wide one said, as long as its widths hold all that counts."""
    wide = _wide()
    _silence(wide)
    pixels = np.random.default_rng(1).integers(0, 256, (4, 48, 48), np.uint8)
    narrow = narrowed(wide, SHIPPED, torch.from_numpy(face.standardise(pixels)))
    assert [block.first[0].out_channels for block in narrow.blocks()] == list(SHIPPED)
    assert np.allclose(face.logits_of(narrow, pixels), face.logits_of(wide, pixels), atol=1e-3)


def test_a_net_cannot_be_narrowed_to_more_than_it_has():
    """Channels are left out, never made up."""
    with pytest.raises(ValueError, match="cannot be narrowed"):
        narrowed(FaceNet(SHIPPED), WIDE, torch.zeros(2, 1, 48, 48))


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


def test_a_teacher_gives_its_share_of_the_label_and_no_more():
    """The votes keep their share; what the teacher says does not change when the picture is mirrored."""
    teacher = _wide()
    pixels = np.random.default_rng(2).integers(0, 256, (6, 48, 48), np.uint8)
    votes = np.eye(8, dtype=np.float32)[:6]
    mixed = face.taught(votes, [teacher], pixels)
    assert np.allclose(mixed.sum(1), 1, atol=1e-5)
    assert (mixed[np.arange(6), np.arange(6)] >= 1 - face.TAUGHT).all()
    assert (mixed < 1).all()
    mirrored = face.taught(votes, [teacher], np.ascontiguousarray(pixels[:, :, ::-1]))
    assert np.allclose(mixed, mirrored, atol=1e-5)


def test_several_teachers_speak_with_one_voice():
    """Each teacher counts the same, in whatever order: their label is the softmax of their mean logits."""
    wide, other = _wide(), FaceNet(SHIPPED).eval()
    torch.nn.init.normal_(other.head.weight, std=0.1)
    pixels = np.random.default_rng(4).integers(0, 256, (3, 48, 48), np.uint8)
    nothing = np.zeros((3, 8), np.float32)
    both = face.taught(nothing, [wide, other], pixels)
    assert np.allclose(both, face.taught(nothing, [other, wide], pixels), atol=1e-6)
    alone = [face.taught(nothing, [one], pixels) for one in (wide, other)]
    mean = np.sqrt(alone[0] * alone[1])
    assert np.allclose(both, face.TAUGHT * mean / mean.sum(1, keepdims=True), atol=1e-5)
    assert not np.allclose(alone[0], alone[1], atol=1e-3)


def test_the_last_run_ends_on_pictures_as_cameras_mostly_see_them():
    """What starts from an earlier net sees whole pictures throughout, in the last run with milder damage towards the
    end; a fresh net begins on small ones."""
    first, later = face.Training(10, 1), face.Training(10, 1, FaceNet(SHIPPED))
    seen = []
    for run in (first, later, face.Training(10, 1, FaceNet(SHIPPED), last=True)):
        stages = []
        for run.epoch in range(10):
            stages.append(run.stage())
        seen.append(stages)
    full, small = face.INPUT_SIZE, face.SMALL_SIDE
    assert seen[0] == [(small, face.STRENGTH)] * 4 + [(full, face.LATE_STRENGTH)] * 6
    assert seen[1] == [(full, face.LATE_STRENGTH)] * 10
    assert seen[2] == [(full, face.LATE_STRENGTH)] * 5 + [(full, face.FINE_STRENGTH)] * 5
