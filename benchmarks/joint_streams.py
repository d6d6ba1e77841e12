"""Incongruence on streams of real voices (RAVDESS) and real faces (FER+ test), through the shipped nets.

The voice goes through speech activity, the encoder and a head exactly as on a device. The shipped head never heard a
RAVDESS actor, a fold's head (benchmarks.joint_heads) not this one; actors 1–12 served to choose what edge.mood and
edge.incongruence do, the figures are of the other twelve. The face goes through the shipped expression net, one picture
for a whole pair, five times a second.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import soundfile

from edge.perceive.speech import SpeechGate
from edge.perceive.voice import VoiceReader
from edge.rules import Rules
from edge.state import People
from edge.types import (
    SAMPLE_RATE,
    AudioFrame,
    Event,
    FaceAffect,
    FaceSeen,
    Observation,
    PersonState,
    SpeechActivity,
    VoiceAffect,
    Words,
)
from models.expression import EXPRESSIONS, ExpressionNet
from models.speech_activity import SpeechActivityNet
from models.train.face_data import load
from models.voice_head import VoiceHead

Pair = Literal["words_voice", "voice_face", "words_face"]
PLEASANT = ("happy",)
UNPLEASANT = ("sad", "angry", "fear", "disgust")
_NAMES = {"fearful": "fear", "calm": "neutral", "surprised": "surprise"}
_BLOCK = 512
ACTORS = frozenset(f"rav{number:02d}" for number in range(13, 25))
_FACE_S = 0.2
SEED = 11


@dataclass(frozen=True)
class Clip:
    """What the device made of one recording: observations from time 0, and where speech begins and ends."""

    actor: str
    label: str
    sound: npt.NDArray[np.float32]
    observations: tuple[Observation, ...]
    seconds: float
    speech_s: tuple[float, float] | None


class Ears:
    """The device's way from sound to observations, without prosody and turns.

    `heads`: of every actor, where it is not the shipped one.
    """

    def __init__(self, heads: Mapping[str, VoiceHead] | None = None) -> None:
        self._gate = SpeechGate(SpeechActivityNet())
        readers = {id(head): VoiceReader(head) for head in (heads or {}).values()}
        self._of = {actor: readers[id(head)] for actor, head in (heads or {}).items()}
        self._shipped = None if heads else VoiceReader()

    def hear(self, sound: npt.NDArray[np.float32], actor: str) -> tuple[list[Observation], tuple[float, float] | None]:
        """Observations of one recording, and first and last moment of speech."""
        reader = self._shipped or self._of[actor]
        self._gate.reset()
        reader.reset()
        found: list[Observation] = []
        first = last = None
        for seq, start in enumerate(range(0, len(sound) - _BLOCK + 1, _BLOCK)):
            frame = AudioFrame("bench", seq, start / SAMPLE_RATE, sound[start : start + _BLOCK])
            for chunk in self._gate.feed(frame):
                activity = chunk.activity
                found.append(activity)
                if activity.probability >= 0.5:
                    first = chunk.t_s if first is None else first
                    last = chunk.end_s
                said = reader.feed(chunk.samples, chunk.t_s, activity.probability, activity.speaking)
                if said is not None:
                    found.append(said)
        return found, None if first is None or last is None else (first, last)


def voices(data: Path, labels: Sequence[str], each: int, rng: np.random.Generator, ears: Ears) -> list[Clip]:
    """`each` clips per label, spread over ACTORS."""
    with (data / "speech" / "ravdess.csv").open(newline="", encoding="utf-8") as handle:
        rows = [(r["file"], r["speaker"], _NAMES.get(r["label"], r["label"])) for r in csv.DictReader(handle)]
    rows = [row for row in rows if row[1] in ACTORS]
    clips = []
    for label in labels:
        mine = [row for row in rows if row[2] == label]
        for index in rng.permutation(len(mine))[:each]:
            file, actor, _ = mine[index]
            sound, rate = soundfile.read(data / "speech" / "ravdess" / file, dtype="float32")
            assert rate == SAMPLE_RATE
            clips.append(clip(ears, actor, label, sound))
    return clips


def clip(ears: Ears, actor: str, label: str, sound: npt.NDArray[np.float32]) -> Clip:
    """What the device makes of `sound`."""
    observations, speech_s = ears.hear(sound, actor)
    return Clip(actor, label, sound, tuple(observations), len(sound) / SAMPLE_RATE, speech_s)


def faces(data: Path, labels: Sequence[str], each: int, rng: np.random.Generator) -> list[tuple[str, FaceAffect]]:
    """`each` FER+ test pictures per majority label, as the shipped net sees them."""
    net, test = ExpressionNet(), load(data, "test")
    found = []
    for label in labels:
        mine = np.flatnonzero(test.majority == EXPRESSIONS.index(label))
        for index in rng.permutation(mine)[:each]:
            seen = net.read(test.pixels[index])
            found.append(
                (
                    label,
                    FaceAffect(
                        t_s=0.0,
                        person=1,
                        probs=seen.probs,
                        valence=seen.valence,
                        arousal=seen.arousal,
                        confidence=seen.confidence,
                        unclear=seen.unclear,
                    ),
                )
            )
    return found


# ---------------------------------------------------------------- playing


Played = list[tuple[PersonState, dict[Pair, float]]]


def play(plan: Sequence[Observation], seconds: float, start_s: float, people: People) -> Played:
    """Deliver the plan (times from 0) from `start_s` on; the main person's states and oppositions.

    As the device does (`edge.loop`): what says more than that speech or silence goes on is considered when it comes,
    and time passes in between.
    """
    plan = sorted((_later(o, start_s) for o in plan), key=lambda o: o.t_s)
    ticks = {start_s + tick * 0.1 for tick in range(1, int(seconds / 0.1) + 1)}
    moments = sorted(ticks | {o.t_s for o in plan if not isinstance(o, SpeechActivity) and o.t_s <= start_s + seconds})
    states: Played = []
    at = 0
    for now_s in moments:
        batch = []
        while at < len(plan) and plan[at].t_s <= now_s:
            batch.append(plan[at])
            at += 1
        present = people.update(batch, now_s)
        if present:
            main = max(present, key=lambda s: (s.speaking or False, s.face is not None))
            states.append((main, people.opposition(main.person)))
    return states


def _later(o: Observation, by_s: float) -> Observation:
    if isinstance(o, Words):
        return replace(o, t_s=o.t_s + by_s, start_s=o.start_s + by_s, end_s=o.end_s + by_s)
    return replace(o, t_s=o.t_s + by_s)


def face_stream(face: FaceAffect, seconds: float, moving: tuple[float, float] | None) -> list[Observation]:
    """One face held in view; its lips move during `moving`."""
    plan: list[Observation] = [replace(face, t_s=t) for t in np.arange(0.0, seconds, _FACE_S).tolist()]
    for i, t in enumerate(np.arange(0.0, seconds, 0.1).tolist()):
        talks = moving is not None and moving[0] <= t <= moving[1]
        mouth = 0.05 + 0.15 * (i % 3) / 2 if talks else 0.02
        plan.append(FaceSeen(t_s=t, person=1, box=(0.4, 0.3, 0.2, 0.3), presence=0.95, mouth_open=mouth))
    return plan


def strength(played: Played, pair: Pair) -> float:
    """The strongest incongruence of that kind, 0–1; with none, how little the channels agree at last (0 … -1)."""
    shown = max((i.strength for state, _ in played for i in state.incongruence if i.between == pair), default=0.0)
    return shown or min(next((levels[pair] for _, levels in reversed(played) if pair in levels), 0.0), 0.0)


def auroc(opposed: Sequence[float], congruent: Sequence[float]) -> float:
    """Probability that an opposed pair scores higher than a congruent one; ties count half."""
    a, b = np.asarray(opposed)[:, None], np.asarray(congruent)[None]
    return float((a > b).mean() + 0.5 * (a == b).mean())


def pleasant(label: str) -> bool:
    """Which side a label lies on."""
    return label in PLEASANT


# ---------------------------------------------------------------- incongruence


def incongruence(
    heard: Sequence[Clip],
    shown: Sequence[tuple[str, FaceAffect]],
    said: Sequence[tuple[str, bool]],
    rng: np.random.Generator,
    pairs: int,
) -> tuple[dict[str, float], dict[str, object]]:
    """AUROC of each pair of channels, `pairs` of each, half of them opposed; false alarms on the congruent streams.

    `shown` or `said` may be empty: what needs them is absent. A false alarm is the shipped rule `incongruent` firing.
    """
    heard = [c for c in heard if c.label in PLEASANT + UNPLEASANT and c.speech_s is not None]
    stage = _Stage()
    scores: dict[Pair, tuple[list[float], list[float]]] = {}
    for index in range(pairs):
        opposed, left = index % 2 == 1, index // 2 % 2 == 0
        right = left is not opposed
        voice = heard[_pick(rng, [pleasant(c.label) for c in heard], left)]
        other = heard[_pick(rng, [pleasant(c.label) for c in heard], right)]
        if shown:
            face = shown[_pick(rng, [pleasant(label) for label, _ in shown], right)][1]
            states = stage.play(voice, face=face, counts=not opposed)
            scores.setdefault("voice_face", ([], []))[opposed].append(strength(states, "voice_face"))
        if said:
            text = said[_pick(rng, [good for _, good in said], left)][0]
            states = stage.play(other, text=text, counts=not opposed)
            scores.setdefault("words_voice", ([], []))[opposed].append(strength(states, "words_voice"))
        if said and shown:
            states = stage.play(other, text=text, face=face, mute=True, counts=not opposed)
            scores.setdefault("words_face", ([], []))[opposed].append(strength(states, "words_face"))
    metrics = {f"incongruence_auroc_{name}": auroc(found[1], found[0]) for name, found in scores.items()}
    metrics["false_alarms_per_h"] = stage.alarms / stage.seconds * 3600
    over = {name: [float(np.mean(np.asarray(side) > 0.5)) for side in found] for name, found in scores.items()}
    return metrics, {"pairs": pairs, "congruent_s": stage.seconds, "over_half_congruent_and_opposed": over}


class _Stage:
    """Plays one pair after another on one time axis, far enough apart that nothing carries over."""

    def __init__(self) -> None:
        self._people, self._rules, self._start_s = People(), Rules.load(None), 0.0
        self.alarms, self.seconds = 0, 0.0

    def play(
        self, voice: Clip, *, counts: bool, face: FaceAffect | None = None, text: str | None = None, mute: bool = False
    ) -> Played:
        """The states of `voice` with a face and words; `mute`: speech is heard, but not how it sounds."""
        assert voice.speech_s is not None
        seconds = voice.seconds + 1.0
        plan = [o for o in voice.observations if not (mute and isinstance(o, VoiceAffect))]
        if face is not None:
            plan += face_stream(face, seconds, voice.speech_s)
        if text is not None:
            end_s = voice.speech_s[1]
            plan.append(Words(t_s=end_s + 0.3, text=text, final=True, language="en", start_s=0.0, end_s=end_s))
        self._start_s += 60.0
        states = play(plan, seconds, self._start_s, self._people)
        if counts:
            self.alarms += _alarms(self._rules, [state for state, _ in states])
            self.seconds += seconds
        return states


def _pick(rng: np.random.Generator, which: Sequence[bool], wanted: bool) -> int:
    return int(rng.choice(np.flatnonzero(np.asarray(which) == wanted)))


def _alarms(rules: Rules, states: Sequence[PersonState]) -> int:
    events: list[Event] = [event for state in states for event in rules.step([state], state.t_s)]
    return sum(event.name == "incongruent" for event in events)
