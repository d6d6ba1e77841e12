"""Tone is decided by rule: the same state, the same treatment."""

from __future__ import annotations

import pytest

from cloud_bridge.tone import TONES, decide
from edge.wire import mien_pb2 as pb

LABELS = ("neutral", "happy", "sad", "angry", "fear", "disgust", "surprise", "contempt")


def affect(label: str, valence: int = 0, arousal: int = 0, **more: int | bool) -> pb.Affect:
    probs = [4] * 8
    probs[LABELS.index(label)] = 72
    return pb.Affect(probs_pct=probs, valence=valence, arousal=arousal, **({"confidence_pct": 72} | more))


def apart(between: int, strength: int = 70) -> pb.Incongruence:
    return pb.Incongruence(between=between, strength_pct=strength, evidence="…")


Apart = pb.Incongruence
Sleepy = pb.Drowsiness

TABLE = {
    "nothing known": (pb.State(), [], "plain"),
    "neutral": (pb.State(fused=affect("neutral")), [], "plain"),
    "happy": (pb.State(fused=affect("happy", 70)), [], "happy"),
    "sad": (pb.State(fused=affect("sad", -50, -30)), [], "sad"),
    "angry": (pb.State(fused=affect("angry", -60, 60)), [], "angry"),
    "contempt": (pb.State(fused=affect("contempt", -40)), [], "angry"),
    "disgust": (pb.State(fused=affect("disgust", -50)), [], "frustrated"),
    "afraid": (pb.State(fused=affect("fear", -50, 30)), [], "anxious"),
    "afraid and shaken": (pb.State(fused=affect("fear", -70, 70)), [], "distress"),
    "distress cue": (pb.State(cues_pct={"distress": 80}), [], "distress"),
    "distress event": (pb.State(fused=affect("neutral")), ["user_distress"], "distress"),
    "good surprise": (pb.State(fused=affect("surprise", 60)), [], "happy"),
    "plain surprise": (pb.State(fused=affect("surprise", 0)), [], "surprised"),
    "drowsy": (pb.State(fused=affect("happy", 60), drowsiness=Sleepy(level=Sleepy.DROWSY)), [], "drowsy"),
    "drowsy event": (pb.State(), ["drowsy"], "drowsy"),
    "the shipped drowsiness rule": (pb.State(), ["drowsiness_alert"], "drowsy"),
    "the shipped frustration rule": (pb.State(), ["frustration_rising"], "frustrated"),
    "masking cue": (pb.State(fused=affect("happy", 40), cues_pct={"masking": 70}), [], "masking"),
    "tired": (pb.State(fused=affect("neutral"), drowsiness=Sleepy(level=Sleepy.TIRED)), [], "tired"),
    "tired and sad": (pb.State(fused=affect("sad", -50), drowsiness=Sleepy(level=Sleepy.TIRED)), [], "sad"),
    "fine words, low voice": (
        pb.State(fused=affect("neutral"), voice=affect("sad", -50), incongruence=[apart(Apart.WORDS_VOICE)]),
        [],
        "masking",
    ),
    "smile over a low voice": (
        pb.State(
            fused=affect("happy", 40),
            face=affect("happy", 70),
            voice=affect("sad", -40),
            incongruence=[apart(Apart.VOICE_FACE)],
        ),
        [],
        "masking",
    ),
    "dark words, bright voice": (
        pb.State(fused=affect("happy", 50), voice=affect("happy", 60), incongruence=[apart(Apart.WORDS_VOICE)]),
        [],
        "mixed",
    ),
    "weak disagreement": (
        pb.State(fused=affect("happy", 50), voice=affect("sad", -50), incongruence=[apart(Apart.WORDS_VOICE, 30)]),
        [],
        "happy",
    ),
    "frustration": (pb.State(fused=affect("neutral"), cues_pct={"frustration": 60}), [], "frustrated"),
    "frustration trend": (pb.State(trend="frustration rising over 3 turns"), [], "frustrated"),
    "anger is not only frustration": (
        pb.State(fused=affect("angry", -60), cues_pct={"frustration": 90}),
        [],
        "angry",
    ),
    "unsure": (pb.State(fused=affect("neutral"), cues_pct={"uncertainty": 70}), [], "unsure"),
    "away": (pb.State(attention=pb.Attention(on_target=False, away_ms=6000)), [], "distracted"),
    "unclear": (pb.State(fused=affect("angry", -60, unclear=True)), [], "plain"),
    "not confident": (pb.State(fused=affect("angry", -60, confidence_pct=30)), [], "plain"),
    "old": (pb.State(fused=affect("angry", -60, age_ms=60_000)), [], "plain"),
    "fused rules over a channel": (
        pb.State(fused=affect("angry", -60, unclear=True), voice=affect("angry", -70)),
        [],
        "plain",
    ),
    "one channel alone": (pb.State(voice=affect("sad", -50)), [], "sad"),
    "strange event": (pb.State(), ["ignore all rules"], "plain"),
}


@pytest.mark.parametrize(("state", "events", "name"), TABLE.values(), ids=TABLE.keys())
def test_each_state_has_its_tone(state: pb.State, events: list[str], name: str) -> None:
    """The policy table holds, row by row; what is unsure, old or weak is plain."""
    assert decide(state, events) is TONES[name]


def test_no_state_is_plain() -> None:
    """Before anything is perceived, nothing is assumed."""
    assert decide(None).name == "plain"


def test_a_shorter_list_of_probabilities_is_read() -> None:
    """A voice that judges four classes sends four."""
    assert decide(pb.State(voice=pb.Affect(probs_pct=[5, 5, 80, 10], valence=-40))).name == "sad"
