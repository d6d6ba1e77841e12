"""How soon the state follows a change of tone, on spliced RAVDESS sentences, and how often it changes for nothing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from benchmarks.joint_streams import Clip, Ears, play
from edge.state import People
from edge.types import SAMPLE_RATE


def change(clips: Sequence[Clip], ears: Ears, rng: np.random.Generator, splices: int) -> dict[str, float]:
    """Splice two neutral sentences and two emotional ones of the same actor, cut to their speech.

    Delay: from the first speech after the splice to a state that has the new label; a change never seen counts as
    endless, in the median. False changes: any other change of the voice's label, per minute of speech. While a state
    says that it is unclear it claims no label; unclear and back to the same label is no change.
    """
    delays: list[float] = []
    wrong, minutes, claimed = 0, 0.0, list[float]()
    spoken = [c for c in clips if c.speech_s is not None]
    actors = sorted({c.actor for c in spoken})
    tries = 0
    while len(delays) < splices and tries < 20 * splices:
        tries += 1
        actor = actors[int(rng.integers(len(actors)))]
        label = ("happy", "sad", "angry")[int(rng.integers(3))]
        calm = [c for c in spoken if c.actor == actor and c.label == "neutral"]
        moved = [c for c in spoken if c.actor == actor and c.label == label]
        if len(calm) < 2 or len(moved) < 2:
            continue
        parts = [calm[i] for i in rng.permutation(len(calm))[:2]] + [moved[i] for i in rng.permutation(len(moved))[:2]]
        before, after = ([_speech(c) for c in half] for half in (parts[:2], parts[2:]))
        sound = np.concatenate([*before, *after])
        splice_s = sum(len(s) for s in before) / SAMPLE_RATE
        seconds = len(sound) / SAMPLE_RATE
        observations, _ = ears.hear(np.pad(sound, (0, SAMPLE_RATE // 2)), actor)
        states = play(observations, seconds, 0.0, People())
        labels = [(s.t_s, s.voice.label) for s, _ in states if s.voice is not None and not s.voice.unclear]
        claimed.append(len(labels) / max(sum(s.voice is not None for s, _ in states), 1))
        turned = next((t for t, name in labels if t >= splice_s and name == label), None)
        delays.append(np.inf if turned is None else turned - splice_s)
        changes = [t for (_, a), (t, b) in pairwise(labels) if a != b]
        wrong += len(changes) - (turned is not None and turned in changes)
        minutes += seconds / 60
    if not delays:
        return {}
    return {
        "change_delay_s": float(np.median(delays)),
        "false_changes_per_min": wrong / minutes,
        "change_missed": float(np.mean(np.isinf(delays))),
        "change_label_claimed": float(np.mean(claimed)),
    }


def _speech(clip: Clip) -> npt.NDArray[np.float32]:
    assert clip.speech_s is not None
    return clip.sound[int(clip.speech_s[0] * SAMPLE_RATE) : int(clip.speech_s[1] * SAMPLE_RATE)]
