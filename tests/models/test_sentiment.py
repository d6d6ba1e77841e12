"""Word weights: fill the lexicon's gaps, stay near nothing where nothing is known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import card, sentiment, store
from models.train.sentiment import main


@given(st.text(max_size=200), st.floats(-1, 1))
def test_any_text_has_a_polarity(text: str, lexicon: float) -> None:
    """Within [-1, 1], whatever is said."""
    assert -1 <= sentiment.load().polarity(text, lexicon) <= 1


def test_it_hears_what_a_lexicon_misses() -> None:
    """Sentences that the lexicon scores as nothing; unknown words move little."""
    tone = sentiment.load()
    assert tone.polarity("Would not go back", 0.0) < -0.3
    assert abs(tone.polarity("zxqv blorp", 0.0)) < 0.2
    assert tone.polarity("zxqv", 0.9) > 0.4
    assert tone.polarity("zxqv", -0.9) < -0.4


def test_the_card_fits_the_weights() -> None:
    """The committed file is the card's."""
    assert store.state(card.read("sentiment")) == "present"


def test_training_asks_for_its_data(tmp_path: object, capsys: pytest.CaptureFixture[str]) -> None:
    """Without the sentences: one line that says where they come from."""
    with pytest.raises(SystemExit):
        main(["--data", str(tmp_path)])
    assert "sentiment 5.0.2" in capsys.readouterr().err
