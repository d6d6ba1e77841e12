"""The fusion model: better than simple rules on actors it never saw, sound on any input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.joint import human_fusion
from models import card, fusion, store
from models.errors import InputError
from models.train.fusion import main, read_votes

weights = st.lists(st.floats(0, 1), min_size=6, max_size=6).filter(lambda values: sum(values) > 0.01)


@settings(max_examples=50)
@given(weights, weights, st.booleans())
def test_any_two_distributions_give_one(a: list[float], b: list[float], coarse: bool) -> None:
    """Six positive numbers with a sum of 1."""
    voice, face = np.array(a) / sum(a), np.array(b) / sum(b)
    joint = fusion.load().join(voice, face, coarse=coarse)
    assert joint.shape == (6,)
    assert (joint > 0).all()
    assert joint.sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    "bad", [[1, 0, 0, 0, 0], [np.nan, 1, 0, 0, 0, 0], [2, 0, 0, 0, 0, 0], [-1, 2, 0, 0, 0, 0], [0] * 6]
)
def test_what_is_no_distribution_is_refused(bad: list[float]) -> None:
    """Not repaired in silence."""
    with pytest.raises(InputError, match="6 non-negative numbers"):
        fusion.load().join(bad, np.full(6, 1 / 6))


def test_strength_grows_with_opposition() -> None:
    """0.5 is what few sincere clips reach; no opposition is next to nothing."""
    values = [fusion.load().gap_strength(x) for x in (-1.0, 0.0, 0.3, 0.6, 1.0)]
    assert values == sorted(values)
    assert values[1] < 0.05
    assert values[-1] > 0.9


def test_better_than_any_simple_rule_on_unseen_actors(data: Path) -> None:
    """At least 10 % less cross-entropy than the best of mean, product and single channel, and a better top-1."""
    metrics, _ = human_fusion(read_votes(data / "votes"))
    assert metrics["fusion_ce"] <= 0.9 * metrics["fusion_ce_best_baseline"]
    assert metrics["fusion_top1"] > metrics["fusion_top1_best_baseline"]


def test_the_card_fits_the_weights() -> None:
    """The committed file is the card's."""
    assert store.state(card.read("fusion")) == "present"


def test_training_asks_for_its_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without votes: one line that says what is missing."""
    with pytest.raises(SystemExit):
        main(["--data", str(tmp_path)])
    assert "no votes found" in capsys.readouterr().err
