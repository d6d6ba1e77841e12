"""Voice, face and words together: human fusion, incongruence, change, and the cost of an update (`mien bench joint`).

The first part needs human votes only; the others the shipped voice and face nets and their labelled data, and are
absent where those are not there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from benchmarks import joint_heads, joint_streams, sentences
from benchmarks.joint_change import change
from benchmarks.report import Result
from edge.describe import Describer
from edge.state import People
from edge.types import EMOTIONS, FaceAffect, FaceSeen, Gaze, HeadPose, Observation, SpeechActivity, VoiceAffect
from models import fusion
from models.errors import ModelError
from models.train.fusion import Array, Votes, coarse_map, cross_entropy, network_pair, read_votes, shares

NEEDS_DATA = True
_HEARD = ("neutral", *joint_streams.PLEASANT, *joint_streams.UNPLEASANT)


def measure(data: Path | None, *, quick: bool, peers: bool) -> Result:
    """All that this machine can measure."""
    assert data is not None
    votes = read_votes(data / "votes")
    metrics, detail = human_fusion(votes)
    metrics["update_ms"], detail["describe_ms"] = update_ms(200 if quick else 2000)
    found, more = streams(data, quick=quick)
    return Result(metrics={**metrics, **found}, detail={**detail, **more})


def streams(data: Path, *, quick: bool) -> tuple[dict[str, float], dict[str, object]]:
    """Incongruence and change through the shipped nets; what cannot be measured is named in the detail.

    Once with the shipped voice head and once (`fold_…`) with heads that learned from other actors of RAVDESS.
    """
    # 80 splices are ten minutes of speech: too few to tell one false change a minute from one and a half.
    each, pairs, splices = (6, 16, 3) if quick else (60, 400, 240)
    missing: dict[str, str] = {}
    said = sentences.read()
    if said is None:
        said, missing["words"] = [], "no labelled sentences: see benchmarks.sentences"

    def played(ears: joint_streams.Ears) -> tuple[dict[str, float], dict[str, object]]:
        rng = np.random.default_rng(joint_streams.SEED)
        heard = joint_streams.voices(data, _HEARD, each, rng, ears)
        try:
            shown = joint_streams.faces(data, joint_streams.PLEASANT + joint_streams.UNPLEASANT, each, rng)
        except ModelError as error:
            shown, missing["face"] = [], str(error)
        metrics, detail = joint_streams.incongruence(heard, shown, said, rng, pairs)
        return metrics | change(heard, ears, rng, splices), detail

    try:
        metrics, detail = played(joint_streams.Ears())
    except ModelError as error:
        return {}, {"not_measured": {"voice": str(error)}}
    if quick:
        missing["fold"] = "a quick run learns no heads"
    else:
        os.environ["MIEN_DATA"] = str(data)
        with TemporaryDirectory() as scratch:
            heads = joint_heads.of_actors(joint_heads.CACHE, Path(scratch))
            found, more = played(joint_streams.Ears(heads))
        metrics |= {f"fold_{name}": value for name, value in found.items()}
        detail["fold"] = more | {"head": "benchmark head, not shipped"}
    return metrics, {**detail, "not_measured": missing}


# ---------------------------------------------------------------- 1. human fusion


def human_fusion(votes: Votes) -> tuple[dict[str, float], dict[str, object]]:
    """Cross-entropy (nats) and top-1 to the audio-visual votes of held-out actors, against four baselines.

    Each baseline's smoothing (votes added to every class; the mixture's weight too) is chosen on the dev actors.
    """
    dev, test = votes.pick(1061, 1075), votes.pick(1076, 1091)
    target = shares(test.both)
    joint = _shipped(shares(test.voice), shares(test.face), coarse=False)
    scores = {name: _fitted(dev, test, make, grid) for name, (make, grid) in _BASELINES.items()}
    best = min(("mean", "product", "voice", "face"), key=lambda name: scores[name][0])
    metrics = {
        "fusion_ce": cross_entropy(target, joint),
        "fusion_ce_best_baseline": scores[best][0],
        "fusion_top1": _top1(test, joint),
        "fusion_top1_best_baseline": max(top1 for _, top1 in scores.values()),
    }
    metrics["fusion_gain"] = 1 - metrics["fusion_ce"] / metrics["fusion_ce_best_baseline"]
    detail: dict[str, object] = {
        "best_baseline": best,
        "baselines_ce": {name: ce for name, (ce, _) in scores.items()},
        "baselines_top1": {name: top1 for name, (_, top1) in scores.items()},
        "floor_ce": cross_entropy(target, np.maximum(target, 1e-12)),
        "half_panel_ce": _half_panel(dev, test),
        "test_clips": len(test.actor),
        "network_like": _network_like(votes),
    }
    floor = float(cross_entropy(target, np.maximum(target, 1e-12)))
    detail["gain_above_floor"] = 1 - (metrics["fusion_ce"] - floor) / (metrics["fusion_ce_best_baseline"] - floor)
    return metrics, detail


def _shipped(voice: Array, face: Array, *, coarse: bool) -> npt.NDArray[np.float32]:
    rows = np.full(len(voice), coarse)
    return fusion.load().many(voice.astype(np.float32), face.astype(np.float32), rows)


def _smooth(counts: Array, added: float) -> Array:
    return np.asarray((counts + added) / (counts.sum(axis=1, keepdims=True) + added * counts.shape[1]))


Make = Callable[[Votes, float, float], Array]


def _product(votes: Votes, added: float, power: float) -> Array:
    p = (_smooth(votes.voice, added) * _smooth(votes.face, added)) ** power
    return np.asarray(p / p.sum(axis=1, keepdims=True))


_ADDED = tuple(float(x) for x in np.geomspace(0.01, 10, 60))
_BASELINES: dict[str, tuple[Make, tuple[float, ...]]] = {
    "mean": (lambda v, a, _w: (_smooth(v.voice, a) + _smooth(v.face, a)) / 2, (0.0,)),
    "product": (_product, (1.0,)),
    "voice": (lambda v, a, _w: _smooth(v.voice, a), (0.0,)),
    "face": (lambda v, a, _w: _smooth(v.face, a), (0.0,)),
    # Harder to beat than the plain ones: one free weight each.
    "weighted mean": (
        lambda v, a, w: w * _smooth(v.voice, a) + (1 - w) * _smooth(v.face, a),
        tuple(float(x) for x in np.linspace(0, 1, 21)),
    ),
    "tempered product": (_product, (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2)),
}


def _fitted(dev: Votes, test: Votes, make: Make, grid: tuple[float, ...]) -> tuple[float, float]:
    target = shares(dev.both)
    _, added, extra = min((cross_entropy(target, make(dev, a, w)), a, w) for a in _ADDED for w in grid)
    predicted = make(test, added, extra)
    return cross_entropy(shares(test.both), predicted), _top1(test, predicted)


def _top1(votes: Votes, predicted: npt.NDArray[np.floating]) -> float:
    """Share of clips whose predicted class is the winning vote (the first in order where votes tie)."""
    return float((predicted.argmax(axis=1) == votes.both.argmax(axis=1)).mean())


def _half_panel(dev: Votes, test: Votes) -> float:
    """What one half of the raters who saw and heard a clip tell of the other half: smoothing chosen on dev."""
    rng = np.random.default_rng(0)

    def halves(votes: Votes) -> tuple[Array, Array]:
        first = np.stack([rng.multivariate_hypergeometric(c.astype(int), int(c.sum()) // 2) for c in votes.both])
        return first.astype(float), votes.both - first

    a, b = halves(dev)
    added = min(_ADDED, key=lambda x: cross_entropy(shares(b), _smooth(a, x)))
    a, b = halves(test)
    return cross_entropy(shares(b), _smooth(a, added))


def _network_like(votes: Votes) -> dict[str, float]:
    """The same model on votes that went through the nets' measured confusion and noise."""
    fit, test = votes.pick(1001, 1060), votes.pick(1076, 1091)
    voice, face = network_pair(test, coarse_map(fit.voice), np.random.default_rng(1))
    target = shares(test.both)
    joint = _shipped(voice, face, coarse=True)
    found = {"fusion_ce": cross_entropy(target, joint), "fusion_top1": _top1(test, joint)}
    for name, p in (("voice", voice), ("face", face), ("mean", (voice + face) / 2)):
        mixed = min((0.9 * p + 0.1 / 6, 0.7 * p + 0.3 / 6, 0.5 * p + 0.5 / 6), key=lambda q: cross_entropy(target, q))
        found[f"{name}_ce"], found[f"{name}_top1"] = cross_entropy(target, mixed), _top1(test, p)
    return found


# ---------------------------------------------------------------- the cost of an update


def update_ms(ticks: int) -> tuple[float, float]:
    """Median milliseconds of one `People.update`, and of one description: one person, face and voice, 30 a second."""
    people, describer = People(), Describer()
    costs, words = [], []
    for i in range(ticks):
        now_s = i / 30
        batch = _second_of_life(i, now_s)
        start = time.process_time_ns()
        states = people.update(batch, now_s)
        middle = time.process_time_ns()
        for state in states:
            describer.describe(state)
        costs.append(middle - start)
        words.append(time.process_time_ns() - middle)
    return float(np.median(costs)) / 1e6, float(np.median(words)) / 1e6


def _second_of_life(i: int, now_s: float) -> list[Observation]:
    face = {name: 0.02 for name in EMOTIONS} | {"happy": 0.86}
    voice = {"neutral": 0.1, "happy": 0.1, "sad": 0.7, "angry": 0.1}
    batch: list[Observation] = [
        SpeechActivity(t_s=now_s, probability=0.9, speaking=i % 200 < 120, speech_s=1.0),
        FaceSeen(t_s=now_s, person=1, box=(0.4, 0.3, 0.2, 0.3), presence=0.9, mouth_open=0.05 * (i % 5)),
        HeadPose(t_s=now_s, person=1, yaw_deg=3.0, pitch_deg=1.0, roll_deg=0.0),
        Gaze(t_s=now_s, person=1, yaw_deg=3.0, pitch_deg=1.0, on_target=True),
    ]
    if i % 3 == 0:
        batch.append(
            FaceAffect(t_s=now_s, person=1, probs=face, valence=0.6, arousal=0.4, unclear=False, confidence=0.8)
        )
    if i % 8 == 0:
        batch.append(
            VoiceAffect(
                t_s=now_s, probs=voice, recent=voice, latest=voice, valence=-0.5, arousal=-0.3, listened_s=2,
                unclear=False, confidence=0.7,
            )
        )  # fmt: skip
    return batch
