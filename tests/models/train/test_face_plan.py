"""What the expression net is taught, by which pictures and when."""

from __future__ import annotations

import numpy as np
import pytest

from models.train import face_plan
from models.train.face_plan import Plan, taught


def logits(seed: int, count: int = 6) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 2, (count, 8)).astype(np.float32)


def test_a_teacher_gives_its_share_of_the_label_and_no_more() -> None:
    """The votes keep their share, whatever the teacher says and however loudly; a label stays one."""
    votes = np.eye(8, dtype=np.float32)[:6]
    for scale in (1.0, 300.0):
        mixed = taught(votes, [scale * logits(2)])
        assert np.allclose(mixed.sum(1), 1, atol=1e-5)
        assert (mixed[np.arange(6), np.arange(6)] >= 1 - face_plan.TAUGHT).all()
    assert (taught(votes, [logits(2)]) < 1).all()


def test_several_teachers_speak_with_one_voice() -> None:
    """Each teacher counts the same, in whatever order: their label is the softmax of their mean logits."""
    nothing = np.zeros((6, 8), np.float32)
    one, other = logits(3), logits(4)
    both = taught(nothing, [one, other])
    assert np.allclose(both, taught(nothing, [other, one]), atol=1e-6)
    alone = [taught(nothing, [said]) for said in (one, other)]
    mean = np.sqrt(alone[0] * alone[1])
    assert np.allclose(both, face_plan.TAUGHT * mean / mean.sum(1, keepdims=True), atol=1e-5)
    assert not np.allclose(alone[0], alone[1], atol=1e-3)


def test_the_last_run_ends_on_pictures_as_cameras_mostly_see_them() -> None:
    """What starts from an earlier net sees whole pictures throughout, in the last run with milder damage towards the
    end; a fresh net begins on small ones."""
    runs = (Plan(10), Plan(10, later=True), Plan(10, later=True, last=True))
    seen = [[plan.stage(epoch) for epoch in range(10)] for plan in runs]
    full, small = face_plan.INPUT_SIZE, face_plan.SMALL_SIDE
    assert seen[0] == [(small, face_plan.STRENGTH)] * 4 + [(full, face_plan.LATE_STRENGTH)] * 6
    assert seen[1] == [(full, face_plan.LATE_STRENGTH)] * 10
    assert seen[2] == [(full, face_plan.LATE_STRENGTH)] * 5 + [(full, face_plan.FINE_STRENGTH)] * 5


@pytest.mark.parametrize("later", [False, True])
def test_the_rate_rises_for_an_epoch_and_falls_to_almost_nothing(later: bool) -> None:
    """Its peak is lower for a net that starts from an earlier run; it never is zero, nor above the peak."""
    plan = Plan(20, later=later)
    rates = [plan.rate(epoch) for epoch in np.arange(0, 20, 0.25)]
    peak = face_plan.LATER_RATE if later else face_plan.PEAK_RATE
    top = int(np.argmax(rates))
    assert rates[top] == pytest.approx(peak, rel=0.01)
    assert top * 0.25 == face_plan.WARM_UP
    assert all(np.diff(rates[: top + 1]) > 0)
    assert all(np.diff(rates[top:]) < 0)
    assert 0 < plan.rate(20) < 0.001 * peak
    assert plan.rate(25) == plan.rate(20)


def test_rare_expressions_are_drawn_more_often_than_they_occur() -> None:
    """But still less often than the common ones; and each picture of one kind as often as another."""
    votes = np.eye(8, dtype=np.float32)[[0] * 90 + [5] * 10]
    chances = face_plan.chances(votes)
    assert chances.sum() == pytest.approx(1)
    assert len(set(chances[:90])) == len(set(chances[90:])) == 1
    assert 0.1 < chances[90:].sum() < 0.5


def test_contempt_counts_for_accuracy_but_not_for_the_mean_recall() -> None:
    """A class that has no picture counts for neither."""
    labels = np.array([0, 0, 0, 1, 7])
    said = np.eye(8, dtype=np.float32)[[0, 0, 2, 1, 3]]
    found = face_plan.score(said, labels)
    assert found.accuracy == pytest.approx(3 / 5)
    assert found.macro_recall == pytest.approx((2 / 3 + 1) / 2)
