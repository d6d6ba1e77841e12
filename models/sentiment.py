"""How pleasant a sentence's words are: a linear reading of its words beside a lexicon's score.

A lexicon (VADER) scores a third of everyday sentences as nothing at all ("would not go back"). 1,700 word weights,
learned from labelled sentences, fill the gap; the lexicon's score, which knows negation and emphasis, is an input too.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from functools import lru_cache

import numpy as np

from models import store
from models.errors import ModelCorrupt

_WORD = re.compile(r"[a-z']+|!")


def words_of(text: str) -> list[str]:
    """The words that the model reads, in lower case."""
    return _WORD.findall(text.lower())


class WordTone:
    """The word weights of `models/weights/sentiment.npz`."""

    def __init__(self) -> None:
        """Load the weights. Raises ModelMissing or ModelCorrupt."""
        file = store.path("sentiment")
        try:
            with np.load(file) as arrays:
                columns = (arrays[name].tolist() for name in ("words", "rarity", "weights"))
                self._known = {word: (rarity, weight) for word, rarity, weight in zip(*columns, strict=True)}
                self._lexicon = float(arrays["lexicon"][0])
        except (KeyError, ValueError, OSError) as error:
            raise ModelCorrupt(f"{file} is not a sentiment model: run `mien train sentiment`") from error

    def polarity(self, text: str, lexicon: float) -> float:
        """-1 (unpleasant) … 1 (pleasant). `lexicon`: VADER's compound score of the same text, in [-1, 1]."""
        total = norm = 0.0
        for word, count in Counter(words_of(text)).items():
            if word in self._known:
                rarity, weight = self._known[word]
                value = (1 + math.log(count)) * rarity
                total += value * weight
                norm += value * value
        logit = total / math.sqrt(norm) if norm else 0.0
        return math.tanh((logit + self._lexicon * lexicon) / 2)


@lru_cache(maxsize=1)
def load() -> WordTone:
    """The shipped weights, loaded once."""
    return WordTone()
