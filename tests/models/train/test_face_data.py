"""Labels out of votes, and what augmentation may do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.errors import ModelError
from models.train.face_augment import augment
from models.train.face_data import NO_MAJORITY, load, majority_label, soft_label


def _votes(*counts: int) -> np.ndarray:
    return np.array(counts, np.float32)


def test_a_lone_vote_is_noise():
    """One rater of ten does not change the label's distribution."""
    assert soft_label(_votes(5, 4, 1, 0, 0, 0, 0, 0, 0, 0)) == pytest.approx([5 / 9, 4 / 9, 0, 0, 0, 0, 0, 0])


@pytest.mark.parametrize("counts", [(1, 1, 1, 1, 1, 1, 1, 0, 3, 0), (1, 1, 1, 1, 1, 1, 1, 1, 1, 1)])
def test_pictures_without_an_expression_teach_none(counts):
    """Unknown faces, and those on which no two raters agree, have no label."""
    assert soft_label(_votes(*counts)) is None


@pytest.mark.parametrize(
    ("counts", "label"),
    [
        ((2, 6, 0, 0, 0, 0, 0, 0, 2, 0), 1),
        ((4, 4, 0, 0, 0, 0, 0, 0, 2, 0), NO_MAJORITY),
        ((3, 0, 0, 0, 0, 0, 0, 0, 5, 2), NO_MAJORITY),
        ((3, 0, 0, 0, 0, 0, 0, 0, 3, 0), NO_MAJORITY),
    ],
)
def test_majority_drops_ties_and_unknown(counts, label):
    """The protocol's label is the one clear winner among all ten columns, if it is an expression."""
    assert majority_label(_votes(*counts)) == label


def test_missing_data_names_the_mend(tmp_path: Path):
    """Without FER+ the error says which files are needed where."""
    with pytest.raises(ModelError, match=r"ferplus\.zip"):
        load(tmp_path, "valid")


def test_valid_part_follows_the_protocol(data: Path):
    """3,396 pictures of valid/ have a majority, as the FER+ votes say."""
    assert len(load(data, "valid").decided()) == 3396


def test_augmented_faces_stay_pictures():
    """Whatever is drawn, the result is another grey picture of the same size, and not always the same one."""
    rng = np.random.default_rng(2)
    face = rng.integers(0, 256, (48, 48), np.uint8)
    drawn = [augment(face, rng) for _ in range(300)]
    assert all(one.shape == (48, 48) and one.dtype == np.uint8 for one in drawn)
    assert len({one.tobytes() for one in drawn}) > 250
