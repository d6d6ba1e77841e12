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


def test_a_change_is_in_the_last_half_second_first() -> None:
    """With it the label turns sooner than without it, where whole and last second still hold what was before."""
    calm, angry, both = ({"neutral": p, "happy": 0.03, "sad": 0.03, "angry": 0.94 - p} for p in (0.9, 0.04, 0.25))
    turned: dict[str, int] = {}
    for name, latest in (("with", angry), ("without", {})):
        channel = AffectChannel(tau_s=0.35, fresh_s=1.5, horizon_s=6.0)
        for i in range(16):
            probs, recent, newest = (calm, calm, calm) if i < 12 else (calm if i < 14 else angry, both, latest)
            channel.add(
                VoiceAffect(
                    t_s=0.25 * i, probs=probs, recent=recent, latest=newest if latest else {},
                    valence=0.0, arousal=0.0, listened_s=2.0, unclear=False,
                )
            )  # fmt: skip
            found = channel.read(0.25 * i)
            assert found is not None
            if found.label == "angry" and not found.unclear:
                turned.setdefault(name, i)
    assert turned["with"] < turned.get("without", 16)
