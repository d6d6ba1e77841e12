"""One channel over time: how much the newest sound counts beside the whole."""

from __future__ import annotations

import pytest

from edge.channel import AffectChannel
from edge.types import VoiceAffect


def heard(whole: float, recent: float) -> float:
    """The probability of happiness that a channel tells after one estimate with these for the whole and the newest."""
    channel = AffectChannel(tau_s=0.35, fresh_s=1.5, horizon_s=6.0)
    probs, newest = ({"happy": p, "sad": 1 - p, "neutral": 0.0, "angry": 0.0} for p in (whole, recent))
    channel.add(
        VoiceAffect(t_s=1.0, probs=probs, recent=newest, valence=0.0, arousal=0.0, listened_s=2.0, unclear=False)
    )
    found = channel.read(1.0)
    assert found is not None
    return found.probs["happy"]


@pytest.mark.parametrize(
    ("whole", "recent", "told"), [(0.8, 0.8, 0.8), (0.8, 0.7, 0.79), (0.8, 0.3, 0.55), (1.0, 0.0, 0.0)]
)
def test_the_newest_sound_counts_the_more_the_more_it_differs(whole: float, recent: float, told: float) -> None:
    """By as much as it differs: a small difference is noise, a large one a change."""
    assert heard(whole, recent) == pytest.approx(told)
