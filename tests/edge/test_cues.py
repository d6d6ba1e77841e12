"""Cross-modal cues: each needs all its channels, and says what it is made of."""

from __future__ import annotations

import pytest

from edge.cues import averted_share, cues, hesitation
from edge.fuse import valence_arousal
from edge.turns import Baseline
from edge.types import EMOTIONS, Affect, Attention, Prosody

STRANGER = Baseline()
SMILE = {"smile": 0.8, "cheek_raise": 0.05, "brow_lower": 0.0}
LOOKING = Attention(head_pose_deg=(0.0, 0.0, 0.0), gaze_deg=(1.0, 1.0), on_target=True, away_s=0, age_ms=0)


def affect(label: str, p: float = 0.8) -> Affect:
    probs = {name: p if name == label else (1 - p) / 7 for name in EMOTIONS}
    valence, arousal = valence_arousal(probs)
    return Affect(probs=probs, label=label, valence=valence, arousal=arousal, confidence=p, unclear=False, age_ms=0)


def prosody(pauses: float = 0.1, slope: float | None = 0.0, rate: float | None = 4.0, db: float = -25.0) -> Prosody:
    return Prosody(
        t_s=0,
        window_s=3,
        pitch_hz=180,
        pitch_slope_st_s=slope,
        pitch_range_st=4,
        energy_db=db,
        rate_hz=rate,
        pause_fraction=pauses,
        voiced_fraction=0.6,
    )


def found(**parts: object) -> dict[str, float]:
    none: dict[str, object] = {
        "fused": None,
        "voice": None,
        "units": {},
        "attention": None,
        "averted": None,
        "prosody": None,
        "usual": STRANGER,
    }
    return cues(**{**none, **parts})  # type: ignore[arg-type]


def test_nothing_perceived_no_cue() -> None:
    """Absent, not zero."""
    assert found() == {}


@pytest.mark.parametrize(
    ("pauses", "averted", "expected"), [(0.6, 1.0, True), (0.6, 0.0, False), (0.05, 1.0, False), (0.05, 0.0, False)]
)
def test_uncertainty_needs_hesitation_and_gaze_aversion(pauses: float, averted: float, expected: bool) -> None:
    """Either alone is not enough."""
    value = found(prosody=prosody(pauses), averted=averted)["uncertainty"]
    assert (value > 0.5) is expected
    assert "uncertainty" not in found(prosody=prosody(pauses))
    assert "uncertainty" not in found(averted=averted)


def test_masking_is_a_smile_without_eyes_over_a_low_voice() -> None:
    """The eyes' part, a level voice or a straight mouth each take it away."""
    assert found(units=SMILE, prosody=prosody(slope=-15))["masking"] > 0.5
    assert found(units=SMILE, prosody=prosody(), voice=affect("sad"))["masking"] > 0.5
    assert found(units={**SMILE, "cheek_raise": 0.6}, prosody=prosody(slope=-15))["masking"] == 0
    assert found(units=SMILE, prosody=prosody(slope=0), voice=affect("happy"))["masking"] < 0.2
    assert found(units={"smile": 0.1, "cheek_raise": 0.0}, prosody=prosody(slope=-15))["masking"] == 0


def test_frustration_grows_with_anger_brows_and_loudness() -> None:
    """Against the person's own usual level."""
    usual = Baseline()
    for _ in range(3):
        usual.learn({"energy_db": -30.0})
    calm = found(fused=affect("neutral"))["frustration"]
    angry = found(fused=affect("angry"))["frustration"]
    loud = found(fused=affect("angry"), units={"brow_lower": 0.9}, prosody=prosody(db=-20), usual=usual)["frustration"]
    assert calm < 0.2 < angry
    assert loud > angry


def test_confusion_is_no_anger() -> None:
    """Lowered brows with a tilted head; with anger in the face it is something else."""
    tilted = Attention(head_pose_deg=(0.0, 0.0, 18.0), gaze_deg=None, on_target=None, away_s=0, age_ms=0)
    puzzled = found(units={"brow_lower": 0.8}, attention=tilted, fused=affect("neutral"))["confusion"]
    angry = found(units={"brow_lower": 0.8}, attention=tilted, fused=affect("angry"))["confusion"]
    assert puzzled > 0.6
    assert angry < 0.3


def test_interest_needs_the_gaze() -> None:
    """A lively face that looks elsewhere is not interested in us."""
    assert found(attention=LOOKING, averted=0.0, fused=affect("happy"))["interest"] > 0.7
    assert found(attention=LOOKING, averted=1.0, fused=affect("happy"))["interest"] == 0


def test_hesitation_is_measured_against_the_own_habit() -> None:
    """Who always pauses is not hesitating."""
    slow = Baseline()
    for _ in range(5):
        slow.learn({"pause_fraction": 0.4, "rate_hz": 3.0})
    assert hesitation(prosody(pauses=0.42, rate=3.0), STRANGER) > 0.5
    assert hesitation(prosody(pauses=0.42, rate=3.0), slow) < 0.2


@pytest.mark.parametrize(("yaw", "expected"), [(0.0, 0.0), (12.0, 0.0), (18.0, 0.5), (30.0, 1.0), (-30.0, 1.0)])
def test_gaze_without_a_target_is_graded(yaw: float, expected: float) -> None:
    """Uncalibrated, an angle counts by its size."""
    looks = Attention(head_pose_deg=None, gaze_deg=(yaw, 0.0), on_target=None, away_s=0, age_ms=0)
    assert averted_share(looks) == pytest.approx(expected)
    nowhere = Attention(head_pose_deg=None, gaze_deg=None, on_target=None, away_s=0, age_ms=0)
    assert averted_share(nowhere) is None
