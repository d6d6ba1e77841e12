"""`mien train mood`: how the label of a voice follows a change of tone, chosen on EmoDB alone.

Two calm sentences of a speaker are joined to two happy, sad or angry ones and heard as a stream. The heads that judge
them heard two other speakers (models.train.voice.strangers). Chosen is what names the new feeling soonest while at
most one change a minute is false and the calm before is named, too; and where a voice leans neither to the pleasant
nor to the unpleasant side, by which of the two its words or its face are contradicted best.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.errors import ModelError
from models.fusion import PLEASANT, UNPLEASANT, leaning_odds
from models.logmel import SAMPLE_RATE_HZ
from models.mood import Mood, Settings
from models.train.voice import FINE, GATOR_FINE, KNOTS_S, Heard, calibrate, strangers
from models.train.voice_data import read_sound, sample, speech_part
from models.train.voice_fit import Array, Index, softmax
from models.voice_head import CORE, pooled
from models.whisper_encoder import FRAME_S, WhisperEncoder

WINDOWS_S = (2.0, 1.0, 0.5)  # what a stream is judged by: the whole and the newest (edge.perceive.voice)
_FIRST_S, _HOP_S = 0.5, 0.25
_SPLICES = 4  # of each speaker and feeling
_NEVER_S = 5.0  # what a change that is never named costs
_FALSE_PER_MIN, _NAMED = 1.0, 0.6  # at most so many false changes; at least so many calm beginnings named
_START = Settings(
    calm=0.0,
    habit_weight=1.0,
    habit_full_s=4.0,
    habit_lag_s=1.0,
    odds=1.0,
    calm_more=2.0,
    again_more=1.5,
    first_odds=0.5,
    unpleasant_odds=1.0,
)
_ODDS = tuple(round(0.4 + 0.1 * i, 1) for i in range(13))
_SETTLED_S = 1.9  # after the change no window holds anything from before it
_CHOICES = {
    "calm": (-0.5, -0.25, 0.0, 0.25, 0.5),
    "habit_weight": (0.5, 0.7, 1.0, 1.5, 2.0),
    "habit_full_s": (2.0, 4.0, 6.0),
    "habit_lag_s": (0.5, 1.0, 1.5, 2.0),
    "odds": tuple(round(0.8 + 0.1 * i, 1) for i in range(13)),
    "calm_more": (0.0, 1.0, 2.0),
    "again_more": (0.0, 0.5, 1.0, 1.5, 2.0),
    "first_odds": (0.0, 0.15, 0.3, 0.5, 0.7),
}
# Which of FINE are pleasant and which unpleasant: (classes, 2).
_SIDES = np.array([[name in side for side in (PLEASANT, UNPLEASANT)] for name in FINE], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Splice:
    """One stream: estimates at `t_s` (n,), each pooled over WINDOWS_S `x` (n, 3, 2304); it turns at `turns_s`."""

    speaker: str
    label: str
    turns_s: float
    t_s: npt.NDArray[np.float64]
    x: npt.NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Told:
    """What a head told of a splice: probabilities over CORE of each window (n, 3, 4), and of the whole one over FINE,
    summed over the pleasant and the unpleasant ones (n, 2)."""

    splice: Splice
    probs: Array
    sides: Array


def splices(cache: Path, each: int) -> list[Splice]:
    """All splices of EmoDB, from `cache` where they lie there."""
    file = cache / f"emodb-splices-{each}-{len(WINDOWS_S)}.npz"
    if not file.is_file():
        _hear(file, each)
    with np.load(file) as archive:
        column = {name: archive[name] for name in archive.files}
    found = []
    for i, (speaker, label, turns_s) in enumerate(
        zip(column["speaker"], column["label"], column["turns_s"], strict=True)
    ):
        rows = column["splice"] == i
        found.append(Splice(str(speaker), str(label), float(turns_s), column["t_s"][rows], column["x"][rows]))
    return found


def _hear(file: Path, each: int) -> None:
    from tqdm import tqdm

    clips, rng = sample("emodb"), np.random.default_rng(0)
    plan: list[tuple[str, str, list[int]]] = []
    for speaker in sorted({clip.speaker for clip in clips}):
        of = {label: [i for i, c in enumerate(clips) if (c.speaker, c.label) == (speaker, label)] for label in CORE}
        for label in CORE[1:]:
            for _ in range(each if len(of[label]) > 1 else 0):
                parts = [*rng.permutation(of["neutral"])[:2].tolist(), *rng.permutation(of[label])[:2].tolist()]
                plan.append((speaker, label, parts))
    encoder = WhisperEncoder()
    turns, rows = [], []
    for index, (_, _, parts) in enumerate(tqdm(plan, desc="EmoDB splices", unit="splice")):
        sounds = [speech_part(read_sound(clips[i].file)) for i in parts]
        turns.append(sum(map(len, sounds[:2])) / SAMPLE_RATE_HZ)
        rows += [(index, t_s, x) for t_s, x in _stream(encoder, np.concatenate(sounds))]
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(".new")
    with fresh.open("wb") as handle:
        np.savez(
            handle,
            speaker=np.array([speaker for speaker, _, _ in plan]),
            label=np.array([label for _, label, _ in plan]),
            turns_s=np.array(turns),
            splice=np.array([index for index, _, _ in rows]),
            t_s=np.array([t_s for _, t_s, _ in rows]),
            x=np.stack([x for _, _, x in rows]).astype(np.float16),
        )
    fresh.replace(file)


def _stream(encoder: WhisperEncoder, sound: Array) -> Iterable[tuple[float, Array]]:
    """Capture time and pooled windows of every estimate that a device would make of `sound`, were nothing to stir.

    Its closer looks while something does (edge.perceive.voice) hang on the head that judges; this is for all heads.
    """
    encoder.reset()
    done: list[Array] = []
    hop = round(_HOP_S * SAMPLE_RATE_HZ)
    for end in range(hop, len(sound) + 1, hop):
        done = [*done, *encoder.feed(sound[end - hop : end])][-2:]
        if end >= _FIRST_S * SAMPLE_RATE_HZ:
            frames = np.concatenate([*done, encoder.preview()])
            yield end / SAMPLE_RATE_HZ, np.stack([pooled(frames[-round(s / FRAME_S) :]) for s in WINDOWS_S])


def told(heard: Heard, found: Sequence[Splice], seed: int) -> list[Told]:
    """Each splice as each head told it that knows neither its speaker nor what comes, calibrated as the shipped one."""
    y = heard.classes(FINE, GATOR_FINE)
    speech = (heard.corpus == "emodb") & (y >= 0) & (y < len(CORE))
    rows: list[tuple[Splice, Array]] = []
    held: list[tuple[Array, Array, Index]] = []
    for known, head in strangers(heard, y, seed):
        strange = [one for one in found if one.speaker not in known]
        rows += [(one, head(one.x.reshape(-1, one.x.shape[-1])).reshape(*one.x.shape[:2], -1)) for one in strange]
        test = speech & ~np.isin(heard.speaker, known)
        held.append((heard.seconds[test], head(heard.x[test])[:, : len(CORE)], y[test]))
    seconds, logits, classes = (np.concatenate(column) for column in zip(*held, strict=True))
    heat = np.interp(WINDOWS_S, KNOTS_S, calibrate(seconds, logits, classes)[0]).astype(np.float32)[:, None]
    warm = [(one, each / heat) for one, each in rows]
    return [Told(one, softmax(each[..., : len(CORE)]), softmax(each[:, 0]) @ _SIDES) for one, each in warm]


@dataclass(frozen=True, slots=True)
class Figures:
    """How labels followed the changes. `delay_s`: mean, one never named counting _NEVER_S; `median_s` may be inf."""

    delay_s: float
    median_s: float
    false_per_min: float
    never: float
    calm_named: float

    @property
    def cost(self) -> float:
        """What is made small."""
        flicker = max(self.false_per_min - _FALSE_PER_MIN, 0.0)
        return self.delay_s + 4 * flicker + 10 * max(_NAMED - self.calm_named, 0.0)


def follow(rows: Sequence[Told], settings: Settings) -> Figures:
    """Play every stream to a Mood, and count as `mien bench joint` does."""
    delays, wrong, minutes, named = [], 0, 0.0, 0
    for one in rows:
        mood, splice = Mood(settings), one.splice
        claimed: list[tuple[float, str]] = []
        for t_s, windows in zip(splice.t_s.tolist(), one.probs.tolist(), strict=True):
            mood.hear(t_s, *(dict(zip(CORE, window, strict=True)) for window in windows))
            if mood.sure and mood.label is not None and (not claimed or claimed[-1][1] != mood.label):
                claimed.append((t_s, mood.label))
        turned = next((t for t, label in claimed if t >= splice.turns_s and label == splice.label), None)
        if turned is None and any(t < splice.turns_s for t, _ in claimed):
            before = [label for t, label in claimed if t < splice.turns_s][-1]
            turned = splice.turns_s if before == splice.label else None  # it was taken for that all along
        delays.append(np.inf if turned is None else turned - splice.turns_s)
        wrong += max(len(claimed) - 1, 0) - any(t == turned for t, _ in claimed[1:])
        named += any(t < splice.turns_s and label == "neutral" for t, label in claimed)
        minutes += float(splice.t_s[-1]) / 60
    late = np.array(delays)
    return Figures(
        delay_s=float(np.minimum(late, _NEVER_S).mean()),
        median_s=float(np.median(late)),
        false_per_min=wrong / minutes,
        never=float(np.isinf(late).mean()),
        calm_named=named / len(rows),
    )


def choose(rows: Sequence[Told]) -> Settings:
    """The settings of least cost near the start: one after the other, until none gets better."""
    best, cost, before = _START, follow(rows, _START).cost, np.inf
    while cost < before:
        before = cost
        for name, values in _CHOICES.items():
            for value in values:
                tried = replace(best, **{name: value})
                if tried != best and (now := follow(rows, tried).cost) < cost:
                    best, cost = tried, now
    return best


def told_apart(rows: Sequence[Told], odds: float) -> float:
    """How often a voice on one side is taken rather than one on the other to contradict the other side, 0–1.

    The leaning is what a device has of a second (edge.channel); the voices of either side count the same.
    """
    leans: tuple[list[float], list[float]] = ([], [])
    for one in rows:
        at = one.splice.t_s >= one.splice.turns_s + _SETTLED_S
        if at.any():
            pleasant, unpleasant = one.sides[at].T.astype(np.float64)
            each = leaning_odds(pleasant, unpleasant, len(UNPLEASANT) * odds)
            weight = np.exp(-(np.arange(len(each))[::-1]) * _HOP_S)
            leans[one.splice.label in PLEASANT].append(float(np.average(each, weights=weight)))
    down, up = (np.array(side) for side in leans)
    opposed, congruent = np.concatenate([-down, up]), np.concatenate([down, -up])
    share = np.concatenate([np.full(len(side), 0.5 / len(side)) for side in (down, up)])
    above = (opposed[:, None] > congruent) + 0.5 * (opposed[:, None] == congruent)
    return float(share @ above @ share)


def main(argv: Sequence[str]) -> int:
    """`mien train mood [--data DIR] [--out FILE]`."""
    parser = argparse.ArgumentParser(prog="mien train mood", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder that holds speech/ (otherwise MIEN_DATA)")
    default = Path(__file__).parent.parent / "weights" / "mood.json"
    parser.add_argument("--out", type=Path, default=default, help="the settings file to write")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "mien" / "train-voice")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    if options.data:
        os.environ["MIEN_DATA"] = str(options.data)
    try:
        rows = told(Heard(options.cache), splices(options.cache, _SPLICES), options.seed)
    except (ModelError, OSError) as error:
        print(f"mien train mood: {error}", file=sys.stderr)
        return 1
    speakers = sorted({one.splice.speaker for one in rows})
    for half in (speakers[::2], speakers[1::2]):
        chosen = choose([one for one in rows if one.splice.speaker in half])
        found = follow([one for one in rows if one.splice.speaker not in half], chosen)
        print(f"chosen on {', '.join(half)}; on the others: {asdict(found)}", flush=True)
    apart = {odds: told_apart(rows, odds) for odds in _ODDS}
    print("sides told apart, by odds: " + " ".join(f"{odds} {share:.3f}" for odds, share in apart.items()))
    chosen = replace(choose(rows), unpleasant_odds=max(_ODDS, key=apart.__getitem__))
    print(f"chosen on all: {asdict(follow(rows, chosen))}")
    options.out.write_text(json.dumps(asdict(chosen), indent=2) + "\n", encoding="utf-8")
    digest = hashlib.sha256(options.out.read_bytes()).hexdigest()
    print(f"{options.out}: {options.out.stat().st_size} bytes, sha256 {digest}\nput both into models/cards/mood.toml")
    return 0
