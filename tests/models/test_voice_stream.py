"""A stream is looked at when it is due, over its newest speech, and more closely while the tone changes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
import pytest

from models import store
from models.errors import ModelMissing
from models.logmel import SAMPLE_RATE_HZ
from models.voice_head import CORE, VoiceEstimate, VoiceHead
from models.voice_stream import WINDOWS_S, Look, VoiceStream
from models.whisper_encoder import FRAME_S, WhisperEncoder
from tests.sounds import buzz

_CHUNK = 512
_CHUNK_S = _CHUNK / SAMPLE_RATE_HZ


@pytest.fixture(autouse=True, scope="module")
def _models() -> None:
    try:
        store.path("whisper_encoder")
    except ModelMissing as reason:
        pytest.skip(str(reason))


def _chunks(sound: np.ndarray) -> list[np.ndarray]:
    return [sound[at : at + _CHUNK] for at in range(0, len(sound) - _CHUNK + 1, _CHUNK)]


def test_the_newest_second_and_half_second_are_judged_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two seconds, the last of them, and its last half: a change is in the shortest first."""
    judged: list[tuple[float, Mapping[str, float] | None]] = []
    judge, probs = VoiceHead.estimate, VoiceHead.probs

    def whole(head: VoiceHead, frames: np.ndarray) -> VoiceEstimate | None:
        found = judge(head, frames)
        judged.append((len(frames) * FRAME_S, None if found is None else found.probs))
        return found

    def newest(head: VoiceHead, frames: np.ndarray) -> dict[str, float] | None:
        found = probs(head, frames)
        judged.append((len(frames) * FRAME_S, found))
        return found

    monkeypatch.setattr(VoiceHead, "estimate", whole)
    monkeypatch.setattr(VoiceHead, "probs", newest)
    stream = VoiceStream()
    said = [look for chunk in _chunks(buzz(4.0)) if (look := stream.feed(chunk)) is not None][-1]
    assert [seconds for seconds, _ in judged[-3:]] == pytest.approx(WINDOWS_S)
    assert [found for _, found in judged[-3:]] == [said.estimate.probs, said.recent, said.latest]


def test_while_the_tone_changes_it_looks_sooner_and_more_closely(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice as often, and at the unfinished second as a whole, while the last second sounds unlike the last two; what
    is told of the look that finds it so was looked at closely, too."""
    closely: list[float] = []
    unlike, now_s = [False], 0.0
    judge, tail = VoiceHead.estimate, WhisperEncoder.tail
    heard: list[VoiceEstimate | None] = []

    def whole(head: VoiceHead, frames: np.ndarray) -> VoiceEstimate | None:
        heard.append(judge(head, frames))
        return heard[-1]

    def look(encoder: WhisperEncoder) -> np.ndarray:
        closely.append(now_s)
        return tail(encoder)

    def newest(_head: VoiceHead, _frames: np.ndarray) -> Mapping[str, float] | None:
        like = None if heard[-1] is None else heard[-1].probs
        return dict.fromkeys(CORE, 0.0) if unlike[0] else like

    monkeypatch.setattr(WhisperEncoder, "tail", look)
    monkeypatch.setattr(VoiceHead, "estimate", whole)
    monkeypatch.setattr(VoiceHead, "probs", newest)
    stream = VoiceStream()
    said: list[tuple[float, Look]] = []
    for at, chunk in enumerate(_chunks(buzz(6.0))):
        now_s = (at + 1) * _CHUNK_S
        unlike[0] = 2.0 <= at * _CHUNK_S < 4.0
        found = stream.feed(chunk)
        said += [] if found is None else [(now_s, found)]
    times_s = [t_s for t_s, _ in said]
    steps = {t: after - t for t, after in itertools.pairwise(times_s)}
    unlike_s = [t for t in times_s if 2.0 + _CHUNK_S <= t < 4.0 + _CHUNK_S]
    assert len(unlike_s) >= 14
    assert sorted(set(closely)) == pytest.approx([*unlike_s, unlike_s[-1] + 4 * _CHUNK_S])
    assert all(abs(step - (0.125 if t in unlike_s else 0.25)) <= _CHUNK_S for t, step in steps.items())


def test_after_a_reset_nothing_of_before_is_heard() -> None:
    """The looks equal those of a new stream, and the first comes after half a second again."""
    used, new = VoiceStream(), VoiceStream()
    for chunk in _chunks(buzz(2.2, 3)):
        used.feed(chunk)
    used.reset()
    looks = [(used.feed(chunk), new.feed(chunk)) for chunk in _chunks(buzz(1.2))]
    assert all(one == other for one, other in looks)
    first = next(at for at, (one, _) in enumerate(looks) if one is not None)
    assert (first + 1) * _CHUNK_S == pytest.approx(0.5, abs=_CHUNK_S)
