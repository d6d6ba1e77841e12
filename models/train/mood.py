"""`mien train mood`: how the label of a voice follows a change of tone, chosen on EmoDB alone.

Two calm sentences of a speaker are joined to two happy, sad or angry ones and heard as a stream. The heads that judge
them heard two other speakers (models.train.voice.strangers). Chosen is what names the new feeling soonest while few
changes are false and the calm before is named, too; and where a voice leans neither to the pleasant nor to the
unpleasant side, by which of the two its words or its face are contradicted best.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from models.errors import ModelError
from models.fusion import PLEASANT, UNPLEASANT, leaning_odds
from models.logmel import SAMPLE_RATE_HZ
from models.mood import Mood, Settings
from models.train.voice import FINE, GATOR_FINE, Heard, calibrate, head_arrays, strange_speech, strangers
from models.train.voice_data import read_sound, sample, speech_part
from models.train.voice_fit import Array, Index
from models.voice_head import CORE, VoiceHead
from models.voice_stream import VoiceStream

_CHUNK = 512  # samples that come at once
_SPLICES = 4  # of each speaker and feeling
_NEVER_S = 5.0  # what a change that is never named costs
_FALSE_PER_MIN = 0.8  # at most so many false changes: where voices are stranger still, there are more …
_NAMED = 0.6  # … and at least so many calm beginnings named
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
    "odds": tuple(round(0.2 + 0.1 * i, 1) for i in range(19)),
    "calm_more": (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0),
    "again_more": (0.0, 0.5, 1.0, 1.5, 2.0),
    "first_odds": (0.0, 0.15, 0.3, 0.5, 0.7),
}
# A head's file holds bursts, which nothing asks for here.
_NO_BURSTS: dict[str, Any] = {
    "burst_labels": np.array(["none"]),
    "burst": np.zeros((2304, 1)),
    "burst_bias": np.zeros(1),
}


@dataclass(frozen=True, slots=True)
class Splice:
    """One stream of speech: two calm sentences, and from `turns_s` on two others of `label`."""

    speaker: str
    label: str
    turns_s: float
    sound: Array


@dataclass(frozen=True, slots=True)
class Told:
    """What a device with some head tells of a splice, at `t_s` (n,): probabilities over CORE of each window
    (n, 3, 4), and of the whole one over the finer set, summed over the pleasant and the unpleasant ones (n, 2)."""

    speaker: str
    label: str
    turns_s: float
    t_s: npt.NDArray[np.float64]
    probs: Array
    sides: Array


def splices(each: int) -> list[Splice]:
    """`each` splices of every speaker of EmoDB and feeling."""
    clips, rng = sample("emodb"), np.random.default_rng(0)
    found: list[Splice] = []
    for speaker in sorted({clip.speaker for clip in clips}):
        of = {label: [i for i, c in enumerate(clips) if (c.speaker, c.label) == (speaker, label)] for label in CORE}
        for label in CORE[1:]:
            for _ in range(each if len(of[label]) > 1 else 0):
                parts = [*rng.permutation(of["neutral"])[:2].tolist(), *rng.permutation(of[label])[:2].tolist()]
                sounds = [speech_part(read_sound(clips[i].file)) for i in parts]
                turns_s = sum(map(len, sounds[:2])) / SAMPLE_RATE_HZ
                found.append(Splice(speaker, label, turns_s, np.concatenate(sounds)))
    return found


def told(heard: Heard, found: Sequence[Splice], seed: int) -> list[Told]:
    """Each splice as a device tells it with each head that knows neither its speaker nor what comes.

    The heads are calibrated together, as the shipped one is; their looks are those of a device.
    """
    from tqdm import tqdm

    y = heard.classes(FINE, GATOR_FINE)
    heads, held = [], list[tuple[Array, Array, Index]]()
    for known, scaler, head in strangers(heard, y, seed):
        test = strange_speech(heard, y, known)
        held.append((heard.seconds[test], head(scaler(heard.x[test]))[:, : len(CORE)], y[test]))
        heads.append((known, scaler, head))
    temperatures, clear_from = calibrate(*(np.concatenate(column) for column in zip(*held, strict=True)))
    rows: list[Told] = []
    with TemporaryDirectory() as scratch:
        for known, scaler, head in heads:
            file = Path(scratch) / "-".join(known)
            with file.open("wb") as handle:
                np.savez(handle, **head_arrays(scaler, FINE, head, temperatures, clear_from), **_NO_BURSTS)
            strange = [one for one in found if one.speaker not in known]
            stream = VoiceStream(VoiceHead(file))
            rows += [tell(one, stream) for one in tqdm(strange, desc=f"without {' and '.join(known)}", unit="splice")]
    return rows


def tell(splice: Splice, stream: VoiceStream) -> Told:
    """What `stream` tells of a splice that comes chunk by chunk, as from the speech gate."""
    stream.reset()
    t_s, probs, sides = [], [], []
    for end in range(_CHUNK, len(splice.sound) + 1, _CHUNK):
        look = stream.feed(splice.sound[end - _CHUNK : end])
        if look is not None and look.recent is not None and look.latest is not None:
            t_s.append(end / SAMPLE_RATE_HZ)
            probs.append(
                [[window[name] for name in CORE] for window in (look.estimate.probs, look.recent, look.latest)]
            )
            sides.append([sum(look.estimate.fine.get(name, 0.0) for name in side) for side in (PLEASANT, UNPLEASANT)])
    return Told(
        splice.speaker, splice.label, splice.turns_s,
        np.array(t_s), np.array(probs, dtype=np.float32), np.array(sides, dtype=np.float32),
    )  # fmt: skip


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
        mood = Mood(settings)
        claimed: list[tuple[float, str]] = []
        for t_s, windows in zip(one.t_s.tolist(), one.probs.tolist(), strict=True):
            mood.hear(t_s, *(dict(zip(CORE, window, strict=True)) for window in windows))
            if mood.sure and mood.label is not None and (not claimed or claimed[-1][1] != mood.label):
                claimed.append((t_s, mood.label))
        turned = next((t for t, label in claimed if t >= one.turns_s and label == one.label), None)
        if turned is None and any(t < one.turns_s for t, _ in claimed):
            before = [label for t, label in claimed if t < one.turns_s][-1]
            turned = one.turns_s if before == one.label else None  # it was taken for that all along
        delays.append(np.inf if turned is None else turned - one.turns_s)
        wrong += max(len(claimed) - 1, 0) - any(t == turned for t, _ in claimed[1:])
        named += any(t < one.turns_s and label == "neutral" for t, label in claimed)
        minutes += float(one.t_s[-1]) / 60
    late = np.array(delays)
    return Figures(
        delay_s=float(np.minimum(late, _NEVER_S).mean()),
        median_s=float(np.median(late)),
        false_per_min=wrong / minutes,
        never=float(np.isinf(late).mean()),
        calm_named=named / len(rows),
    )


def choose(rows: Sequence[Told]) -> Settings:
    """Down from the start to settings that no single step of _CHOICES makes cheaper, the best step first."""
    best, cost = _START, follow(rows, _START).cost
    while True:
        tried = [(follow(rows, one).cost, one) for one in _beside(best)]
        least, one = min(tried, key=lambda found: found[0])
        if least >= cost:
            return best
        best, cost = one, least


def _beside(settings: Settings) -> list[Settings]:
    steps = []
    for name, values in _CHOICES.items():
        at = values.index(getattr(settings, name))
        steps += [replace(settings, **{name: values[to]}) for to in (at - 1, at + 1) if 0 <= to < len(values)]
    return steps


def told_apart(rows: Sequence[Told], odds: float) -> float:
    """How often a voice on one side is taken rather than one on the other to contradict the other side, 0–1.

    The leaning is what a device has of a second (edge.channel); the voices of either side count the same.
    """
    leans: tuple[list[float], list[float]] = ([], [])
    for one in rows:
        at = one.t_s >= one.turns_s + _SETTLED_S
        if at.any():
            pleasant, unpleasant = one.sides[at].T.astype(np.float64)
            each = leaning_odds(pleasant, unpleasant, len(UNPLEASANT) * odds)
            t_s, gap_s = one.t_s[at], np.diff(one.t_s, prepend=0.0)[at]
            weight = (1 - np.exp(-gap_s)) * np.exp(t_s - t_s[-1])
            leans[one.label in PLEASANT].append(float(np.average(each, weights=weight)))
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
        rows = told(Heard(options.cache), splices(_SPLICES), options.seed)
    except (ModelError, OSError) as error:
        print(f"mien train mood: {error}", file=sys.stderr)
        return 1
    print("choosing, three times (some minutes) …", flush=True)
    speakers = sorted({one.speaker for one in rows})
    for half in (speakers[::2], speakers[1::2]):
        chosen = choose([one for one in rows if one.speaker in half])
        found = follow([one for one in rows if one.speaker not in half], chosen)
        print(f"chosen on {', '.join(half)}; on the others: {asdict(found)}", flush=True)
    apart = {odds: told_apart(rows, odds) for odds in _ODDS}
    print("sides told apart, by odds: " + " ".join(f"{odds} {share:.3f}" for odds, share in apart.items()))
    chosen = replace(choose(rows), unpleasant_odds=max(_ODDS, key=apart.__getitem__))
    print(f"chosen on all: {asdict(follow(rows, chosen))}")
    options.out.write_text(json.dumps(asdict(chosen), indent=2) + "\n", encoding="utf-8")
    digest = hashlib.sha256(options.out.read_bytes()).hexdigest()
    print(f"{options.out}: {options.out.stat().st_size} bytes, sha256 {digest}\nput both into models/cards/mood.toml")
    return 0
